#include "replicator/status/watchdog.h"

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kStalledAfter = 8s;  // and a second look

const char* const kLookAtBroker = "look whether the broker is well; what waits here is kept";
const char* const kLookAtStore =
    "look whether the broker and the store of the snapshots answer; the log is not cut meanwhile";
const char* const kRestart = "look at the disk and the machine's load; the sidecar may be restarted at any time";

struct Loop {
  const char* name;
  const LoopProgress::View& loop_progress;
  bool excused;  // what keeps it is reported already
  const char* advice;
};

}  // namespace

StatusView::Stall find_stall(const LoopProgressViews& loops, const StatusView& status,
                             LoopProgress::Clock::time_point now) {
  const bool away = status.state == State::kWaitingForBroker || status.state == State::kHalted;
  const bool locked_out = status.lock_wait.has_value();
  const bool flushes = std::string_view(loops.publisher.step) == kFlushStep;
  const Loop all[] = {
      {"applier", loops.applier, away || locked_out, kRestart},
      {"publisher", loops.publisher, away || locked_out || !loops.applier.resting, flushes ? kRestart : kLookAtBroker},
      {"housekeeper", loops.housekeeper, false, kLookAtStore},
      {"heartbeat", loops.heartbeat, away, kLookAtBroker},
      {"proof worker", loops.proofs, false, kRestart},
  };
  StatusView::Stall worst;
  for (const Loop& loop : all) {
    if (loop.excused || loop.loop_progress.resting || now - loop.loop_progress.since < kStalledAfter) continue;
    if (!worst.loop.empty() && worst.since <= loop.loop_progress.since) continue;
    worst = {loop.name, loop.loop_progress.step, loop.advice, loop.loop_progress.since};
  }
  return worst;
}

void Watchdog::look(LoopProgress::Clock::time_point now) {
  const StatusView status = status_.view();  // first: what excuses a loop ends after the loop has moved
  const LoopProgressViews views{loops_.applier.view(), loops_.publisher.view(), loops_.housekeeper.view(),
                                loops_.heartbeat.view(), loops_.proofs.view()};
  StatusView::Stall stall = find_stall(views, status, now);
  // What moves at this very moment is not worth a word.
  if (std::exchange(seen_, stall) != stall) stall = {};
  if (stall == told_) return;
  const auto seconds = [now](const StatusView::Stall& of) {
    return std::chrono::duration<double>(now - of.since).count();
  };
  if (!told_.loop.empty() && stall.loop != told_.loop) {
    spdlog::info("the {} makes progress again after_s={:.0f}", told_.loop, seconds(told_));
  }
  if (!stall.loop.empty() && stall.loop != told_.loop) {
    spdlog::warn("the {} makes no progress doing=\"{}\" for_s={:.0f}: {}", stall.loop, stall.doing, seconds(stall),
                 stall.advice);
  }
  told_ = stall;
  status_.set_stalled(stall);
}

}  // namespace colony
