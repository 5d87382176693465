#include "replicator/node/proof_worker.h"

#include <spdlog/spdlog.h>

namespace colony {
namespace {

// Each holds a snapshot of the file, which its write-ahead log outgrows meanwhile.
constexpr std::size_t kWaitingMax = 8;

}  // namespace

ProofWorker::ProofWorker(std::string path, std::function<void(ProofEntry)> on_proof, Pulse& pulse)
    : path_(std::move(path)), on_proof_(std::move(on_proof)), pulse_(pulse), thread_([this] { work(); }) {}

ProofWorker::~ProofWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (at_work_) at_work_->interrupt();
    changed_.notify_all();
  }
  thread_.join();
}

void ProofWorker::answer(const BarrierEntry& barrier, Sequence position) {
  auto snapshot = std::make_shared<ProofSnapshot>(path_, barrier.id, position);
  const std::lock_guard lock(mutex_);
  if (waiting_.size() == kWaitingMax) {
    spdlog::warn("more than {} questions for a proof at once: the oldest is not answered", kWaitingMax);
    waiting_.pop_front();
  }
  waiting_.push_back(std::move(snapshot));
  changed_.notify_all();
}

void ProofWorker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    at_work_ = std::move(waiting_.front());
    waiting_.pop_front();
    const std::shared_ptr<ProofSnapshot> snapshot = at_work_;
    lock.unlock();
    pulse_.begin("hashing the tables for a proof");
    try {
      on_proof_(snapshot->compute([this] { pulse_.advance(); }));
    } catch (const std::exception& error) {
      spdlog::warn("a proof could not be made error=\"{}\"", error.what());
    }
    pulse_.rest();
    lock.lock();
    at_work_.reset();
  }
}

}  // namespace colony
