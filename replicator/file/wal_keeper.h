// Keeps the write-ahead log short, so that no app's commit has to do it, and so that it
// does not grow for ever beside readers that overlap.
//
// A PASSIVE checkpoint after every thousand pages is in nobody's way: it copies into
// the database what no reader needs to find in the log. But the log begins anew only
// once all of it was copied and nobody reads from it; while there is always a reader of
// an older state, as with several programs that read in turn, that moment never comes,
// since the applier's next commit makes every open read transaction one of an older
// state. So when the log has grown large, the applier holds back: it leaves the file
// alone for a moment, looks again and again whether all could be copied and all who
// read from the log have ended (those who begin meanwhile read from the database), and
// then cuts the log to nothing. That takes the write lock for an instant; if an app has
// it, nothing is done and nobody waits. Moments grow while they do not suffice, up to
// two seconds, and come to a fifth of the time at most. One reader that never ends
// cannot be helped: it is named in the status.
//
// Threads: the applier's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "replicator/store/sqlite.h"

namespace colony {

class WalKeeper {
 public:
  using Clock = std::chrono::steady_clock;

  // Told when readers begin to keep the log from being copied, and (nothing) when they no
  // longer do.
  using OnBlocked = std::function<void(std::optional<Clock::time_point> since)>;

  // `db` must outlive it, and has no read transaction open during the calls.
  WalKeeper(Database& db, OnBlocked on_blocked);

  // A commit has left that many pages in the log.
  void committed(int pages) { pages_ = pages; }
  // After a commit and without the lock.
  void checkpoint(Clock::time_point now);
  // Now and then: what others have made of the log while this node had nothing to do.
  void look(Clock::time_point now);

  // Whether the applier should not write just now, and rather call hold_back() soon.
  bool is_holding_back() const { return hold_until_.has_value(); }
  void hold_back(Clock::time_point now);

  // While it does, a lock that is taken is not waited for.
  bool is_trying() const { return trying_; }

 private:
  struct Pages {
    int all = -1;
    int copied = -1;
  };

  Pages run_checkpoint(int mode, int* result = nullptr);
  void note(Pages pages, Clock::time_point now);
  void begin_to_hold_back(Clock::time_point now);
  bool is_large(int pages) const;

  Database& db_;
  OnBlocked on_blocked_;
  std::string path_;  // of the log
  std::int64_t page_bytes_ = 0;
  int pages_ = 0;
  bool trying_ = false;
  bool all_copied_ = true;
  bool large_ = false;
  bool blocked_ = false;  // as was told
  Clock::time_point looked_;
  std::int64_t seen_ns_ = 0;  // when the log had last been written to
  std::optional<Clock::time_point> hold_until_;
  Clock::time_point hold_began_;
  Clock::time_point hold_again_;
  Clock::duration hold_time_;
};

}  // namespace colony
