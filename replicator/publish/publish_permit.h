// What the applier and the publisher of one node tell each other.
//
// The publisher may send only when it knows what the log already has of this
// node's chunks. It knows nothing at the start, after a publish that failed or
// was not answered, and after an entry that all nodes ignored. It then asks
// (need_resync), and the applier answers once it has absorbed the log up to an end
// that it looked up after the question (grant).
//
// Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

#include "replicator/log/names.h"

namespace colony {

class PublishPermit {
 public:
  struct View {
    bool granted = false;             // the publisher may send, from `accepted` on
    std::uint64_t grants = 0;         // how many there have been: a new one voids what was in flight
    ChunkNumber accepted;             // the last of this node's chunks that the log has and that was absorbed
    bool introduced = false;          // this node's hello was accepted
    std::size_t entry_bytes_max = 0;  // what the broker takes
  };

  // Publisher's side.
  View view() const;
  void need_resync();
  // Until something of the view changes, work() was called or `timeout` is over;
  // false if it is over.
  bool wait_for_work(std::chrono::milliseconds timeout);

  // Applier's side.
  // The number of the question that is open, if any.
  std::optional<std::uint64_t> open_question() const;
  // Answers question `question`, unless a later one was asked since.
  void grant(std::uint64_t question);
  void accepted(ChunkNumber chunk, bool introduced);
  void set_entry_bytes_max(std::size_t bytes);

  // Anybody: the outbox may have grown, or the loops are to end.
  void work();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  View view_;
  std::uint64_t questions_ = 1;  // the first is asked before anything is known
  bool work_ = false;
};

}  // namespace colony
