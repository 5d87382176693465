// How the sidecar is doing, as `colony status` shows it.
//
// The sidecar keeps it in a small memory-mapped file beside the database,
// `<db>-colony`, which it also holds locked: that lock is what makes a second
// sidecar impossible, and its absence is how readers know that none runs. The file
// is a view for people, never a record: what must survive is in the database.
//
// Threads: any. Setting costs no system call.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "replicator/log/names.h"

namespace colony {

enum class State : std::uint32_t {
  kStopped,  // no sidecar
  kStarting,
  kWaitingForBroker,  // no connection to the log; the app goes on
  kCatchingUp,        // reading what it has missed
  kRunning,
  kHalted,  // stopped by itself: see the message
};

const char* to_string(State state);

// For how long it will still be catching up: from there, at that pace.
struct CatchingUp {
  Sequence from;             // the position where it began
  double entries_per_s = 0;  // 0: not known yet
};

// Likewise for what waits in the outbox.
struct Sending {
  std::uint64_t sent = 0;  // transactions that the log has handed back since the outbox was last empty
  double transactions_per_s = 0;
};

struct StatusView {
  State state = State::kStopped;
  std::string message;   // why it waits or has halted; else empty
  std::string broker;    // as it was given, without credentials
  std::string access;    // which files let us in there (access_text())
  std::string key_file;  // what its entries are signed with; empty: they are not
  std::int64_t pid = 0;
  Sequence log_head;            // as far as is known
  std::uint64_t ignored = 0;    // messages since the start that were no entries
  std::uint64_t untrusted = 0;  // likewise, that were unsigned or wrongly signed
  std::string version;
  std::string trouble;  // with snapshots; empty: none
  // Rows that programs have changed, since the start, without their being captured then; and one
  // of the latest.
  std::uint64_t uncaptured = 0;
  std::string uncaptured_row;
  std::uint64_t unwatched = 0;  // how often it was not watched for a moment whether there are such
  CatchingUp catching_up;       // of the latest time, if it is not kCatchingUp now
  Sending sending;
  // Since when, if at all. CLOCK_MONOTONIC, which all processes of a machine share.
  using Since = std::optional<std::chrono::steady_clock::time_point>;
  Since lock_wait;           // the applier waits for the write lock that an app has
  Since behind;              // there is something in the log that the file has not absorbed
  Since checkpoint_blocked;  // readers keep the write-ahead log from being copied into the database
  // A loop that makes no progress (watchdog.h); no loop: none.
  struct Stall {
    std::string loop, doing, advice;
    std::chrono::steady_clock::time_point since{};
    bool operator==(const Stall&) const = default;
  };
  Stall stalled;
};

class Status {
 public:
  Status();  // in memory only
  ~Status();

  // With the file beside `database`. Throws Error if a sidecar holds it already.
  static std::unique_ptr<Status> beside(const std::string& database);

  // What the sidecar of `database` last said; nothing if none runs.
  static std::optional<StatusView> of(const std::string& database);

  void set_state(State state, const std::string& message = "");
  void set_key_file(const std::string& key_file);
  void set_broker(const std::string& broker, const std::string& access);
  void set_log_head(Sequence head);
  void count_ignored();
  void count_untrusted();
  void count_uncaptured(std::uint64_t rows, const std::string& row);
  void count_unwatched();
  void set_trouble(const std::string& trouble);
  void set_catching_up(const CatchingUp& catching_up);
  void set_sending(const Sending& sending);
  void set_lock_wait(StatusView::Since since);
  void set_behind(StatusView::Since since);
  void set_checkpoint_blocked(StatusView::Since since);
  void set_stalled(const StatusView::Stall& stall);
  // By which `colony recover` the log was held when this node met it last, so that
  // nothing can be absorbed; empty if it was free. Told to the cluster status alone.
  void set_held_by(const std::string& token);
  std::string held_by() const;
  StatusView view() const;

  // Until the state is another one than `seen`, end_waits() was called or the time
  // is over.
  void await_other_state(State seen, std::chrono::milliseconds time) const;
  // Until the time is over or end_waits() was called.
  void pause(std::chrono::milliseconds time) const;
  void end_waits();

 private:
  struct Page;

  void set_since(std::int64_t Page::*field, StatusView::Since since);

  Page* page_ = nullptr;  // mapped, or on the heap
  int file_ = -1;
  std::string path_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool waits_ended_ = false;  // guarded by mutex_
  std::string held_by_;       // likewise
};

}  // namespace colony
