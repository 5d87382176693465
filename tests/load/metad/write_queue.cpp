#include "tests/load/metad/write_queue.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace metad {

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

namespace {

constexpr std::int64_t kFailureShownNs = 30'000'000'000;

// The file has become a colony's after this process had opened it: its triggers ask for
// what the extension brings.
bool lacks_extension(const std::string& what) {
  return what.find("must_load_colony_so") != std::string::npos ||
         what.find("no such module: Colony") != std::string::npos;
}

Failure failure_of(const SqliteError& error) {
  if (lacks_extension(error.what())) return {error.reason(), "restart metad with --extension colony.so"};
  return {error.reason(), "try again in a second"};
}

}  // namespace

WriteQueue::WriteQueue(std::unique_ptr<Writer> writer, const QueueSettings& settings, Answered answered)
    : writer_(std::move(writer)),
      settings_(settings),
      answered_(std::move(answered)),
      last_expiry_ns_(monotonic_ns()),
      thread_([this] { run(); }) {}

WriteQueue::~WriteQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

bool WriteQueue::submit(Ticket ticket, Write write) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || waiting_.size() >= settings_.waiting_max) return false;
    first = waiting_.empty();
    waiting_.push_back({std::move(ticket), std::move(write)});
  }
  if (first) changed_.notify_one();
  return true;
}

QueueFigures WriteQueue::figures() const {
  const std::lock_guard lock(mutex_);
  QueueFigures figures = figures_;
  figures.waiting = waiting_.size();
  if (figures.failure && monotonic_ns() - failed_ns_ > kFailureShownNs && !lacks_extension(figures.failure->what)) {
    figures.failure.reset();
  }
  if (open_since_ns_ != 0) figures.stuck_s = static_cast<double>(monotonic_ns() - open_since_ns_) / 1e9;
  return figures;
}

void WriteQueue::run() {
  const auto group_time = std::chrono::milliseconds(settings_.group_ms);
  std::vector<Waiting> group;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ending_ || !waiting_.empty(); });
      if (!waiting_.empty() && !ending_) {
        // The first has come; others join it. Nobody wakes this thread for them.
        changed_.wait_for(lock, group_time, [this] { return ending_; });
      }
      if (waiting_.empty() && ending_) return;
      const std::size_t count = std::min(waiting_.size(), settings_.group_size_max);
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
      group.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
      open_since_ns_ = monotonic_ns();
    }
    if (!group.empty()) commit(group);
    expire_when_due();
    const std::lock_guard lock(mutex_);
    open_since_ns_ = 0;
  }
}

void WriteQueue::commit(std::vector<Waiting>& group) {
  const std::int64_t begin_ns = monotonic_ns();
  std::vector<Answer> answers;
  answers.reserve(group.size());
  bool committed = false;
  try {
    writer_->begin();
    for (const Waiting& one : group) answers.push_back({one.ticket, writer_->apply(one.write)});
    writer_->commit();
    committed = true;
    const std::int64_t committed_ns = monotonic_ns();
    for (Answer& answer : answers) answer.response.committed_ns = committed_ns;
  } catch (const SqliteError& error) {
    writer_->rollback();
    const Failure failure = note_failure("commit", error);
    answers.clear();
    for (const Waiting& one : group) {
      answers.push_back({one.ticket, error_response(503, "not written: " + failure.what, failure.what_to_do)});
    }
  }
  const auto took_ns = static_cast<std::uint64_t>(monotonic_ns() - begin_ns);
  {
    const std::lock_guard lock(mutex_);
    (committed ? figures_.commits : figures_.failed_commits) += 1;
    if (committed) {
      figures_.writes += group.size();
      figures_.failure.reset();
    }
    figures_.commit_ns += took_ns;
    figures_.commit_ns_max = std::max(figures_.commit_ns_max, took_ns);
  }
  group.clear();
  answered_(std::move(answers));
}

void WriteQueue::expire_when_due() {
  const std::int64_t now_ns = monotonic_ns();
  if (settings_.expire_every_s == 0 || now_ns - last_expiry_ns_ < settings_.expire_every_s * 1'000'000'000) return;
  last_expiry_ns_ = now_ns;
  try {
    const int count = writer_->delete_expired(settings_.expire_grace_s, 500);
    // A full round means that more wait: the clients' writes first, then the next.
    if (count == 500) last_expiry_ns_ = now_ns - settings_.expire_every_s * 1'000'000'000;
    const std::lock_guard lock(mutex_);
    figures_.expired += static_cast<std::uint64_t>(count);
  } catch (const SqliteError& error) {
    writer_->rollback();
    note_failure("delete expired values", error);
  }
}

Failure WriteQueue::note_failure(const char* doing, const SqliteError& error) {
  const std::int64_t now_ns = monotonic_ns();
  Failure failure = failure_of(error);
  if (said_ns_ == 0 || now_ns - said_ns_ >= 10'000'000'000) {
    said_ns_ = now_ns;
    std::fprintf(stderr, "metad: cannot %s: %s: %s (said at most every 10 s; clients get 503)\n", doing,
                 failure.what.c_str(), failure.what_to_do.c_str());
  }
  const std::lock_guard lock(mutex_);
  failed_ns_ = now_ns;
  figures_.failure = failure;
  return failure;
}

}  // namespace metad
