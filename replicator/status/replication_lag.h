// Shows in the status how the file catches up with the log: from where, how fast, and how
// fast the outbox empties.
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

  // It turned out, once the log's end was looked up, that there is something to catch up on.
  void begin_catching_up(Sequence position);

  // The file has come to `position`, and so many transactions have left the outbox.
  void absorbed(Sequence position, std::size_t own, bool outbox_is_empty);

 private:
  Status& status_;
  Sequence catching_up_from_;
  ProgressRate rate_, own_rate_;
  std::uint64_t own_absorbed_ = 0;  // since the outbox was last empty
};

}  // namespace colony
