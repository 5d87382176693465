// Shows in the status how far the file lags behind the log: since when there is something to
// absorb, how fast it catches up, and how fast the outbox empties.
//
// Threads: the applier's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "replicator/status/progress_rate.h"
#include "replicator/status/status.h"

namespace colony {

class ReplicationLag {
 public:
  // `status` must outlive it.
  explicit ReplicationLag(Status& status) : status_(status) {}

  // The log has more than the file, or no longer has.
  void set_behind(bool behind);
  // Whether that has been so for a quarter of a second: more than a program that commits
  // much at once, or a busy machine, makes of it now and then.
  bool is_late() const;

  // It turned out, once the log's end was looked up, that there is something to catch up on.
  void begin_catching_up(Sequence position);

  // The file has come to `position`, and so many transactions have left the outbox.
  void absorbed(Sequence position, std::size_t own, bool outbox_is_empty);

 private:
  Status& status_;
  std::optional<std::chrono::steady_clock::time_point> behind_since_;
  Sequence catching_up_from_;
  ProgressRate rate_, own_rate_;
  std::uint64_t own_absorbed_ = 0;  // since the outbox was last empty
};

}  // namespace colony
