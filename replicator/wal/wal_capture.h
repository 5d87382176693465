// Captures what programs have committed from the write-ahead log of their file, and queues it
// in the outbox.
//
//   WalCapture capture(path);
//   capture.follow();                       // goes on where the file says that it was
//   capture.read_ahead(frames);             // makes changesets of what is committed; takes no lock
//   { WriteTransaction transaction(db);     // any connection of this process
//     WalCapture::Turn turn(capture, db);   // the rest, and all of it into the outbox
//     ...                                   // what comes on top
//     turn.before_commit();
//     transaction.commit();
//     turn.committed(); }
//
// A read transaction, the pin (wal_pin.h), is open at the latest state that is captured and
// committed as that. So whatever programs and checkpoints do, nothing after it can be missed.
// After a start the mark in the file (wal_mark.h) tells where to go on, if the log still has
// what came after it and none of that was copied into the database; otherwise WalLost is
// thrown, and what was missed must be found by comparison.
//
// Each transaction of a program is one in the outbox, in their order. Those that change the
// schema are taken under the write lock, together with what was committed after them. Rows
// with a NULL in their key are left out: no other node could tell them apart.
//
// Threads: any, one at a time: each holds mutex() around the calls, and around its write
// transaction. Errors: WalLost, after which it follows no more; SqliteError; RecordError,
// ChangesetError and SpillError. Nothing is lost by them: the mark moves only with what was
// queued.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "replicator/store/sqlite.h"
#include "replicator/wal/captured_transactions.h"
#include "replicator/wal/wal_follower.h"
#include "replicator/wal/wal_mark.h"
#include "replicator/wal/wal_pin.h"

namespace colony {

class WalCapture {
 public:
  // `path` must be a file in WAL mode whose capture is `wal`, or becomes that. What is too large
  // for memory spills to where `spill` says, or beside the file.
  explicit WalCapture(const std::string& path, const std::optional<SpillSettings>& spill = std::nullopt);
  ~WalCapture();
  WalCapture(const WalCapture&) = delete;
  WalCapture& operator=(const WalCapture&) = delete;

  std::mutex& mutex() { return mutex_; }

  // Goes on at the file's mark. Throws WalLost if that cannot be done, or if the mark's number is
  // `but_not_at`. Until the first Turn was committed nobody can copy pages of the log into the
  // database.
  void follow(std::uint64_t but_not_at = 0);
  std::uint64_t mark_number() const { return mark_.number; }
  // What was missed is found otherwise: everything that is committed from now on is captured. Gives
  // the connection whose open read transaction sees the state from which on that is.
  Database& follow_from_here();
  bool follows() const { return follower_.has_value(); }
  // It follows no more. What was read and not queued will be read again.
  void forget();

  // Reads what is committed, until it has read about that many frames. True if there is nothing
  // left that can be read without the write lock.
  bool read_ahead(std::size_t frames_max);
  // Whether something waits for a Turn.
  bool has_work() const { return !captured_.empty() || schema_change_waits_; }
  // A program has changed the schema, and what it was before cannot be read: no Turn can be taken.
  bool lacks_former_schema() const { return schema_change_waits_ && pin_has_other_schema_; }
  bool has_schema_change() const { return schema_change_waits_; }
  // Nobody else can go on at the file's mark, or copy pages of the log, until a Turn is committed, with
  // work or without: the log was begun anew since, or follow() has just begun.
  bool should_mark() const;
  // How many transactions.
  std::size_t waiting() const { return captured_.count() + (schema_change_waits_ ? 1 : 0); }

  // How long the log is.
  FrameNumber log_frames() const;
  // Whether a reader keeps it from being begun anew.
  bool log_is_read() { return pin_.log_is_read(); }

  // So that the log can be copied and begun anew: moves the pin to its end if all of that is captured. Now
  // and then, and before a checkpoint that is to do that.
  void move_pin();

  // For who waits for the write lock, which a program may have that checkpoints and waits for the
  // pin: moves it to the end of what is committed, which is read, but only in memory. If this
  // process is killed before its next Turn, what was missed must be found by comparison.
  void make_way() noexcept;

  // SQLite's write lock, without a transaction, which would read the log. Waits for programs, and makes
  // way for them meanwhile.
  class WriteLock {
   public:
    WriteLock(WalCapture& capture, std::chrono::milliseconds patience);
    ~WriteLock();
    WriteLock(const WriteLock&) = delete;
    WriteLock& operator=(const WriteLock&) = delete;
    bool is_held() const { return is_held_; }

   private:
    WalPin& pin_;
    bool is_held_ = false;
  };

  enum class Begin {
    kGoesOn,  // what was committed is captured
    kHere,    // all that was committed counts as captured: it was found otherwise, or is to be no one's
  };
  struct TooMuchToRead {};

  class Turn {
   public:
    // Within the write transaction of `db`. Throws TooMuchToRead when more than `frames_max` frames
    // have come since read_ahead(), which should not be read under the lock.
    Turn(WalCapture& capture, Database& db, Begin begin = Begin::kGoesOn, std::size_t frames_max = ~std::size_t{0});
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // Last of all in the transaction. Whether it has changed which tables are replicated; a change
    // of the schema is seen without being told.
    enum class Tables { kSame, kMayBeOthers };
    void before_commit(Tables tables = Tables::kSame);
    // After one that kHere began, follow() goes on.
    void committed();

   private:
    void capture_rest(std::size_t frames_max);

    // The one that keeps the state from which on nothing is captured.
    struct NextPin {
      explicit NextPin(WalPin& of) : pin(of) { pin.open_next(); }
      ~NextPin() { pin.drop_next(); }
      NextPin(const NextPin&) = delete;
      NextPin& operator=(const NextPin&) = delete;
      WalPin& pin;
    };

    WalCapture& capture_;
    NextPin pin_;
    Database& db_;
    const Begin begin_;
    WalEnd end_;
    WalMark mark_;
    std::int64_t schema_version_ = 0;
    bool has_schema_change_ = false;   // of a program, which was queued
    std::optional<WalTables> tables_;  // after the transaction, if they may be others
  };

 private:
  struct OwnTables {
    std::uint64_t mark;  // of the transaction that made them these
    WalTables tables;
  };

  std::optional<WalTables> take_own(const WalMark& mark, FrameNumber last, bool changes_tables);
  void move_pin_to_what_is_read();
  FrameNumber find_base(const WalMark& mark, const WalEnd& end);
  void begin_at(const WalEnd& base);
  WalFollower::Stop read(const WalEnd& end, std::size_t frames_max);

  std::mutex mutex_;
  const SpillSettings spill_;
  WalPin pin_;
  CapturedTransactions captured_;
  std::optional<WalFollower> follower_;  // nothing: it does not follow
  WalMark mark_;                         // the latest that is known
  std::optional<OwnTables> own_tables_;  // of the latest transaction of this process that has changed them
  bool schema_change_waits_ = false;
  bool pin_has_other_schema_ = false;  // than the follower's tables
};

}  // namespace colony
