// Publishes the chunks of one object, several in flight: what the broker has not
// yet answered is bounded, so that neither side queues much.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "replicator/broker/nats_handles.h"

namespace colony {

class JetStreamConnection;
class ObjectBucket;

class ChunkUpload {
 public:
  // Called now and then while waiting; throws to give up.
  using OnWait = std::function<void()>;

  // Both must outlive this. Throws LogUnavailable.
  ChunkUpload(JetStreamConnection& connection, const ObjectBucket& bucket, std::string subject, OnWait on_wait);
  ~ChunkUpload();

  ChunkUpload(const ChunkUpload&) = delete;
  ChunkUpload& operator=(const ChunkUpload&) = delete;

  // Throws LogUnavailable when the broker does not take a chunk now, be it this or
  // an earlier one; Error when it never will.
  void send(std::string_view chunk);

  // Returns when the broker has taken all.
  void finish();

  // Waits, for some seconds at most, until the broker has said something about each
  // chunk that was sent: what it stores it has stored then. Throws nothing.
  void give_up();

  std::uint64_t sent() const { return sent_; }

 private:
  void await_answer();

  JetStreamConnection& connection_;
  const ObjectBucket& bucket_;
  const std::string subject_;
  const OnWait on_wait_;
  std::string inbox_;
  NatsSubscriptionHandle answers_;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace colony
