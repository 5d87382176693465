#include "replicator/membership/capture_switch.h"

#include "replicator/log/error.h"

namespace colony {

std::unique_ptr<Status> alone_for_switch(const std::string& path, CaptureMode mode) {
  if (const auto sidecar = Status::of(path)) {
    throw Error("a sidecar runs on " + path + " (process " + std::to_string(sidecar->pid) +
                "): stop it before the file goes over to " + to_string(mode) + " mode");
  }
  return Status::beside(path);
}

void switch_capture(Database& db, CaptureMode mode) {
  const bool is_guarded_now = is_guarded(db);
  if (mode == CaptureMode::kSession ? is_guarded_now : capture_mode(db) == mode) return;
  set_capture_mode(db, mode);
}

}  // namespace colony
