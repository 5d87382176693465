// Sends entries over one connection and books the broker's answers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "replicator/broker/nats_handles.h"

namespace colony {

// What publishing has failed at so far, over all connections. Any thread.
class PublishFailures {
 public:
  void add(const std::string& text);
  std::uint64_t count() const;
  std::string latest() const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t count_ = 0;
  std::string latest_;
};

// Answers come to an inbox of our own, numbered, and are taken from its queue
// whenever somebody publishes or asks for failures. The library's asynchronous
// publish would call back on threads of its own, possibly after the connection
// is destroyed, keep a copy of every entry until it is answered, and stall by
// rules that we do not set.
//
// What is unanswered is bounded, by number and by bytes: brokers bound what
// they buffer too, and answer what is beyond with an error.
//
// Threads: publish() by one thread, collect() by any.
class EntryPublisher {
 public:
  // `connection` must outlive this. Throws LogUnavailable.
  EntryPublisher(natsConnection* connection, std::string subject, std::shared_ptr<PublishFailures> failures);
  ~EntryPublisher();

  EntryPublisher(const EntryPublisher&) = delete;
  EntryPublisher& operator=(const EntryPublisher&) = delete;

  // Sends at once and waits for no answer, unless too many are unanswered.
  // Throws LogUnavailable when the connection is gone, Error when the entry is
  // too large for it.
  void publish(std::string_view entry);

  // Books the answers that have come, and those that are overdue.
  void collect();

 private:
  using Clock = std::chrono::steady_clock;

  struct Unanswered {
    Clock::time_point deadline;
    std::size_t bytes;
    bool settled = false;
  };

  std::uint64_t enter(std::size_t bytes);
  void wait_for_room();
  void collect_locked();
  void book(natsStatus status, natsMsg* answer);
  void book_answer(natsMsg* answer);
  void settle(std::uint64_t number);
  void settle_oldest();
  void drop_settled();
  void fail_all(const std::string& why);

  natsConnection* const connection_;
  const std::string subject_;
  const std::shared_ptr<PublishFailures> failures_;
  std::string inbox_;
  NatsSubscriptionHandle answers_;

  std::mutex mutex_;
  std::deque<Unanswered> unanswered_;  // guarded; front has number first_number_
  std::uint64_t first_number_ = 1;     // guarded
  std::size_t unanswered_bytes_ = 0;   // guarded; of those not settled
};

}  // namespace colony
