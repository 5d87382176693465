#include "replicator/sidecar/loops.h"

namespace colony {

void Loops::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Loops::pause(Duration time) {
  if (time <= time.zero()) return;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping(); });
}

void Loops::ended() {
  const std::lock_guard lock(mutex_);
  --running_;
  changed_.notify_all();
}

bool Loops::await_ends(Duration time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return running_ == 0; });
}

}  // namespace colony
