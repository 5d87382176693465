// Watches the write-ahead log of a file in session mode: whether all that programs have changed
// is in the outbox, and captures late what is not (late_capture.h).
//
//   SessionAudit audit(path, listener);
//   audit.read(frames);                   // compares what is committed; takes no lock
//   if (audit.has_work()) audit.settle(db);
//   audit.move_pin();
//
// It begins with the state that there is, and compares nothing of that. If it cannot go on, it
// begins anew, and tells that what was committed in between was not watched. A read transaction,
// the pin (wal_pin.h), is open at a state up to which all was read.
//
// Of a transaction that changes the schema, tables are compared that stay what and where they
// are; of the others, what the outbox has is taken for right. So are Colony's own transactions,
// which write another mark each (wal_mark.h).
//
// Threads: any, one at a time: each holds mutex() around the calls, and takes it before a write
// lock. Errors: those of reading the log are handled here; settle() throws what writing does,
// and is to be called again.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"
#include "replicator/wal/late_capture.h"
#include "replicator/wal/transaction_sink.h"
#include "replicator/wal/wal_follower.h"
#include "replicator/wal/wal_pin.h"

namespace colony {

class SessionAudit : private TransactionSink {
 public:
  // Called within read() and settle(); may be empty.
  struct Listener {
    std::function<void(const std::string& table, const LateCapture::Finding& finding)> on_found;
    std::function<void(const LateCapture::Written& written)> on_captured;
    std::function<void(const std::string& why)> on_lost;  // some transactions are not watched
  };

  explicit SessionAudit(const std::string& path, Listener listener,
                        const std::optional<SpillSettings>& spill = std::nullopt);

  std::mutex& mutex() { return mutex_; }

  // Until it has read about that many frames. True if there is nothing left to read.
  bool read(std::size_t frames_max = ~std::size_t{0});
  // Whether something is to be captured late.
  bool has_work() const { return !late_.empty(); }
  // Captures it in a write transaction of `db`, a connection for the fold (open_for_fold()).
  void settle(Database& db);
  // Under the caller's write lock: whether all is read, which may take so many frames, and nothing is to
  // be captured late.
  bool is_settled(std::size_t frames_max);

  // So that the log can be begun anew: see WalCapture::move_pin().
  void move_pin();
  FrameNumber log_frames() const;

  // So far: moves when something was committed.
  std::uint64_t frames_read() const { return frames_read_; }

  struct Counts {
    std::uint64_t transactions = 0;  // of programs, compared
    std::uint64_t rows = 0;          // that were not in the outbox
    std::uint64_t begun_anew = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  void take(const Transaction& transaction) override;
  // What a transaction has put into the outbox.
  struct Queued {
    Spill changeset;
    ChunkNumber first, last;
  };
  Queued queued_in(const Transaction& transaction);
  void begin();
  bool read_to(const WalEnd& end, std::size_t frames_max);
  std::optional<WalTables> tables_after_own(FrameNumber last, bool changes_tables);
  void lose(const std::string& why);

  std::mutex mutex_;
  const SpillSettings spill_;
  const Listener listener_;
  WalPin pin_;
  std::optional<WalFollower> follower_;  // nothing: it begins anew
  std::chrono::steady_clock::time_point begin_again_{};
  LateCapture late_;
  Counts counts_;
  std::uint64_t frames_read_ = 0;
  DecodedRow row_;
};

}  // namespace colony
