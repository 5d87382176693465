// Answers barriers on a thread of its own: hashing a large file takes long, and
// nobody is to wait for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "replicator/compare/proof.h"
#include "replicator/status/loop_progress.h"

namespace colony {

class ProofWorker {
 public:
  // `on_proof` is called on the worker's thread, `begin` (see ProofSnapshot) on the applier's;
  // `loop progress` must outlive it.
  ProofWorker(std::string path, std::function<void(ProofEntry)> on_proof, LoopProgress& loop_progress,
              BeginRead begin = {});
  ~ProofWorker();

  // The applier's thread, right after its commit: takes the snapshot at once. Of
  // more barriers than can wait the oldest is dropped: who asked it asks again.
  void answer(const BarrierEntry& barrier, Sequence position);
  // Likewise; but of more questions than a few the latest is dropped: what it is about
  // comes again.
  void answer(const QuestionEntry& question, Sequence position);

 private:
  struct Task {
    std::shared_ptr<ProofSnapshot> snapshot;
    std::vector<CheckRange> ranges;  // none: everything
  };

  void add(Task task);
  void work();

  std::string path_;
  std::function<void(ProofEntry)> on_proof_;
  LoopProgress& loop_progress_;
  const BeginRead begin_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> waiting_;                // guarded by mutex_
  std::shared_ptr<ProofSnapshot> at_work_;  // likewise
  bool stopping_ = false;                   // likewise
  std::thread thread_;
};

}  // namespace colony
