#include "replicator/sidecar/publisher_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLookAtOutboxMin = 1ms;
constexpr std::chrono::milliseconds kLookAtOutboxMax = 2s;
constexpr auto kPublishRetry = 100ms;
constexpr auto kPublishErrorRetry = 3s;

}  // namespace

// The write-ahead log tells of a commit when its pages are written, and SQLite
// shows the commit to others only after that, by a disk's flush later perhaps.
// So when there is nothing to send yet, it looks again, ever more rarely.
void PublisherLoop::run() {
  std::chrono::milliseconds look_again = kLookAtOutboxMin;
  while (!loops_.stopping()) {
    try {
      const bool go_on = publisher_.step() || permit_.wait_for_work(look_again);
      look_again = go_on ? kLookAtOutboxMin : std::min(look_again * 2, kLookAtOutboxMax);
    } catch (const Interrupted&) {
      return;
    } catch (const LogUnavailable&) {
      loops_.pause(kPublishRetry);  // the applier reports it
    } catch (const std::exception& error) {
      spdlog::warn("cannot publish error=\"{}\"", error.what());
      loops_.pause(kPublishErrorRetry);
    }
  }
}

}  // namespace colony
