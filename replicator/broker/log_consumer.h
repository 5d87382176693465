// Reads a stream in order over one connection: the log from one sequence on, or
// what an object store keeps under some subjects. A push consumer of our own,
// which the broker forgets a few seconds after us.
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

#include "replicator/broker/nats_handles.h"
#include "replicator/log/log.h"

namespace colony {

class JetStreamConnection;

// What of the stream is read.
struct Selection {
  Sequence from = Sequence(1);
  std::string subjects = {};  // all if empty
};

class LogConsumer {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Taken {
    kMessage,
    kNothing,  // none has come in time
    kGap,      // something was dropped between broker and us: of no further use
  };

  // `connection` must outlive this. Throws LogUnavailable.
  LogConsumer(JetStreamConnection& connection, const std::string& stream, const Selection& selection);

  // Returns when nothing that the broker has sent can reach this any more; closes
  // the connection if that takes too long.
  ~LogConsumer();
  LogConsumer(const LogConsumer&) = delete;
  LogConsumer& operator=(const LogConsumer&) = delete;

  // The sequence before which everything has been taken, holes included.
  Sequence next() const { return next_; }

  // Waits for a message until `until`; what is here already is taken even if
  // that is past. Throws LogUnavailable when connection or consumer are dead, or
  // the log ended before the sequence that was asked for.
  Taken take(Message& message, Clock::time_point until);

  // The end of the log as the latest message told it; only if all is read.
  Sequence last_known() const { return last_known_; }

  // How many messages were still to come after the latest one, or when reading
  // began.
  std::uint64_t pending() const { return pending_; }

  // The broker's time when reading began: ns since 1970.
  std::int64_t began_ns() const { return began_ns_; }

 private:
  bool follow_control(natsMsg* control);
  bool is_silent(Clock::time_point now) const;

  JetStreamConnection& connection_;
  NatsSubscriptionHandle subscription_;
  Sequence next_;
  Sequence last_known_;
  std::uint64_t pending_ = 0;
  std::int64_t began_ns_ = 0;
  std::uint64_t delivered_ = 0;  // messages of this consumer that we have taken
  Clock::time_point heard_;      // when we last took anything, heartbeats included
};

}  // namespace colony
