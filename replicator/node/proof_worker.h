// Answers barriers on a thread of its own: hashing a large file takes long, and
// nobody is to wait for it.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "replicator/store/proof.h"

namespace colony {

class ProofWorker {
 public:
  // `on_proof` is called on the worker's thread.
  ProofWorker(std::string path, std::function<void(ProofEntry)> on_proof);
  ~ProofWorker();

  // The applier's thread, right after its commit: takes the snapshot at once. A
  // barrier that still waits is dropped for the new one: who asked twice wants
  // the latest.
  void answer(const BarrierEntry& barrier, Sequence position);

 private:
  void work();

  std::string path_;
  std::function<void(ProofEntry)> on_proof_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<ProofSnapshot> waiting_, at_work_;  // guarded by mutex_
  bool stopping_ = false;                             // likewise
  std::thread thread_;
};

}  // namespace colony
