#include "replicator/sidecar/applier_loop.h"

#include <algorithm>

#include "replicator/status/disk_advice.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kFetchWait = 2s;
constexpr auto kLookAgainAtLog = 5s;
constexpr std::chrono::milliseconds kBrokerRetryMin = 100ms;
constexpr std::chrono::milliseconds kBrokerRetryMax = 2s;
constexpr auto kSnapshotRetry = 200ms;

}  // namespace

void ApplierLoop::run() {
  std::chrono::milliseconds broker_retry = kBrokerRetryMin;
  while (!loops_.stopping()) {
    retry_pause_.begin();
    try {
      if (file_.is_unwell()) throw Halt(file_.trouble());
      if (begin_) begin_();
      apply_or_take_new_base();
      broker_retry = kBrokerRetryMin;
      reports_.look(applier_.position());
      loops_.pause(applier_.rest());
    } catch (const Interrupted&) {
      return;
    } catch (const LogUnavailable& error) {
      reports_.report(State::kWaitingForBroker, error.what());
      loops_.pause(broker_retry);
      broker_retry = std::min(broker_retry * 2, kBrokerRetryMax);
    } catch (const WalLost&) {
      continue;  // what comes before each step finds out what was missed
    } catch (const SqliteError& error) {
      halt(error.what() + disk_advice(error));
    } catch (const std::exception& error) {
      halt(error.what());
    }
  }
}

void ApplierLoop::apply_or_take_new_base() {
  try {
    const bool moved = applier_.step(kFetchWait);
    // Who is given entries reads the very log that takes them.
    if (moved) looked_at_log_ = std::chrono::steady_clock::now();
    look_again_at_log();
  } catch (const BaseUnknown& unknown) {
    permit_.need_resync();  // nothing of this file is sent before that
    if (!snapshot_catch_up_.meet(unknown)) loops_.pause(kSnapshotRetry);
  } catch (const LogCut& cut) {
    snapshot_catch_up_.take(cut);
  } catch (const LogReplaced& replaced) {
    snapshot_catch_up_.take(replaced);
  }
}

void ApplierLoop::look_again_at_log() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_at_log_ < kLookAgainAtLog) return;
  looked_at_log_ = now;
  applier_.look_again();
}

// For a while: what caused it may be mended meanwhile.
void ApplierLoop::halt(const std::string& why) {
  if (loops_.stopping()) return;
  permit_.need_resync();  // nothing is sent meanwhile
  reports_.report(State::kHalted, file_.is_unwell() ? file_.trouble() : why);
  wait_for_change();
}

void ApplierLoop::wait_for_change() {
  const auto end = std::chrono::steady_clock::now() + retry_pause_.after_failure();
  do loops_.pause(RetryPause::kLookEvery);
  while (!loops_.stopping() && std::chrono::steady_clock::now() < end && !applier_.is_worth_another_try());
}

}  // namespace colony
