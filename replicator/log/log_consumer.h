// Reads the log in order, from one sequence on, over one connection: a push
// consumer of our own, which the broker forgets a few seconds after us.
//
// The queue between the network and take() is bounded by the broker's flow
// control: it stops sending until we have taken what it has sent. Heartbeats
// tell that the consumer still lives, and how many messages it has sent.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "replicator/log/log.h"
#include "replicator/log/nats_handles.h"

namespace colony {

class BrokerConnection;

class LogConsumer {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Taken {
    kMessage,
    kNothing,  // none has come in time
    kGap,      // something was dropped between broker and us: of no further use
  };

  // `connection` must outlive this. Throws LogUnavailable.
  LogConsumer(BrokerConnection& connection, const std::string& stream, Sequence from);

  // The sequence before which everything has been taken, holes included.
  Sequence next() const { return next_; }

  // Waits for a message until `until`; what is here already is taken even if
  // that is past. Throws LogUnavailable when connection or consumer are dead, or
  // the log ended before the sequence that was asked for.
  Taken take(Message& message, Clock::time_point until);

  // The end of the log as the latest message told it.
  Sequence last_known() const { return last_known_; }

 private:
  bool follow_control(natsMsg* control);
  bool is_silent(Clock::time_point now) const;

  BrokerConnection& connection_;
  NatsSubscriptionHandle subscription_;
  Sequence next_;
  Sequence last_known_;
  std::uint64_t delivered_ = 0;  // messages of this consumer that we have taken
  Clock::time_point heard_;      // when we last took anything, heartbeats included
};

}  // namespace colony
