// The publisher: sends what waits in the outbox to the log, in order.
//
// Several entries may be in flight. Whether the log took them is learned from the
// applier, which reads them there (Progress); an entry that got lost makes the
// later ones count for nothing, and the publisher goes back to it and sends all of
// them again (go-back-N). Nothing is noted in the file: after a crash the log
// tells what it has.
//
// What others are told of must not be taken back: before something is sent, all that was
// committed is flushed to disk (file_flush.h), once for everything that waits then.
//
// Threads: one, of its own; enqueue() by any. It only reads the file. Errors of
// step(): LogUnavailable, SqliteError, Interrupted; the next step() is good again.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "replicator/log/entry.h"
#include "replicator/log/log.h"
#include "replicator/publish/publish_permit.h"
#include "replicator/status/loop_progress.h"
#include "replicator/store/file_flush.h"
#include "replicator/store/node_file.h"
#include "replicator/store/schema_agreement.h"

namespace colony {

class Publisher {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    HelloEntry hello;
    std::shared_ptr<const SigningKey> key;    // all entries are signed with it; none: unsigned
    std::size_t entry_bytes_max = 96u << 10;  // of an entry: applied in one go, while an app may wait
    std::size_t in_flight_bytes_max = 8u << 20;
    std::chrono::milliseconds unanswered_max{10'000};  // after that, ask the log what it has
    bool flushes = true;                               // before it sends what a power cut could still take back
    LoopProgress* loop_progress = nullptr;             // told what it does; must outlive it
    std::function<Clock::time_point()> now = [] { return Clock::now(); };
  };

  Publisher(const std::string& path, Log& log, PublishPermit& permit, Options options);

  // Sends the next entry, if there is one to send and room in flight. False if
  // there was nothing to do: wait for Progress::wait_for_work().
  bool step();

  // An entry that is no transaction, to be sent before the next ones.
  void enqueue(EntryBody body);

 private:
  struct InFlight {
    ChunkNumber last;
    std::size_t bytes;
    Clock::time_point sent;
  };

  bool send(const PublishPermit::View& view);
  bool begin_grant(const PublishPermit::View& view);
  bool send_control();
  bool send_transactions(const PublishPermit::View& view);
  void flush();
  void flush_up_to(ChunkNumber chunk);
  std::string encoded(const EntryBody& body);
  bool changes_schema(const std::vector<OutboxChunk>& chunks);
  bool begins_transaction(ChunkNumber chunk);
  void check_unanswered(Clock::time_point sent);

  Database db_;
  NodeFile file_;
  SchemaWatch schema_;
  FileFlush flush_;
  Log& log_;
  PublishPermit& permit_;
  Options options_;
  LoopProgress own_loop_progress_;
  LoopProgress& loop_progress_;

  std::uint64_t grant_ = 0;  // the one that what follows belongs to
  std::uint64_t failures_ = 0;
  ChunkNumber sent_;
  ChunkNumber flushed_;  // in this grant
  std::deque<InFlight> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  std::optional<Clock::time_point> hello_sent_;

  std::mutex mutex_;
  std::deque<EntryBody> control_;  // guarded by mutex_
};

}  // namespace colony
