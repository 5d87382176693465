#include "replicator/publish/publish_permit.h"

namespace colony {

PublishPermit::View PublishPermit::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

void PublishPermit::need_resync() {
  const std::lock_guard lock(mutex_);
  ++questions_;
  view_.granted = false;
}

bool PublishPermit::wait_for_work(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool has_work = changed_.wait_for(lock, timeout, [this] { return work_; });
  work_ = false;
  return has_work;
}

std::optional<std::uint64_t> PublishPermit::open_question() const {
  const std::lock_guard lock(mutex_);
  if (view_.granted) return std::nullopt;
  return questions_;
}

void PublishPermit::grant(std::uint64_t question) {
  const std::lock_guard lock(mutex_);
  if (question != questions_) return;
  view_.granted = true;
  ++view_.grants;
  work_ = true;
  changed_.notify_all();
}

void PublishPermit::accepted(ChunkNumber chunk, bool introduced) {
  const std::lock_guard lock(mutex_);
  if (view_.accepted == chunk && view_.introduced == introduced) return;
  view_.accepted = chunk;
  view_.introduced = introduced;
  work_ = true;
  changed_.notify_all();
}

void PublishPermit::set_entry_bytes_max(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  view_.entry_bytes_max = bytes;
}

void PublishPermit::work() {
  const std::lock_guard lock(mutex_);
  work_ = true;
  changed_.notify_all();
}

}  // namespace colony
