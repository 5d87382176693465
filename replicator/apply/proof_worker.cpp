#include "replicator/apply/proof_worker.h"

#include <spdlog/spdlog.h>

namespace colony {
namespace {

// Each holds a snapshot of the file, which its write-ahead log outgrows meanwhile.
constexpr std::size_t kWaitingMax = 8;
constexpr std::size_t kWaitingMaxForQuestions = 4;

}  // namespace

ProofWorker::ProofWorker(std::string path, std::function<void(ProofEntry)> on_proof, LoopProgress& loop_progress,
                         BeginRead begin)
    : path_(std::move(path)),
      on_proof_(std::move(on_proof)),
      loop_progress_(loop_progress),
      begin_(std::move(begin)),
      thread_([this] { work(); }) {}

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
  add({std::make_shared<ProofSnapshot>(path_, barrier.id, position, begin_), {}});
}

void ProofWorker::answer(const QuestionEntry& question, Sequence position) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaitingMaxForQuestions) return;
  }
  add({std::make_shared<ProofSnapshot>(path_, question.id, position, begin_), question.ranges});
}

void ProofWorker::add(Task task) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() == kWaitingMax) {
    spdlog::warn("more than {} questions for a proof at once: the oldest is not answered", kWaitingMax);
    waiting_.pop_front();
  }
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

void ProofWorker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    at_work_ = task.snapshot;
    lock.unlock();
    loop_progress_.begin("hashing the tables for a proof");
    try {
      const auto on_progress = [this] { loop_progress_.advance(); };
      on_proof_(task.ranges.empty() ? task.snapshot->compute(on_progress)
                                    : task.snapshot->compute(task.ranges, on_progress));
    } catch (const std::exception& error) {
      spdlog::warn("a proof could not be made error=\"{}\"", error.what());
    }
    loop_progress_.rest();
    lock.lock();
    at_work_.reset();
  }
}

}  // namespace colony
