// What a loop of the sidecar is doing, and since when: written by the loop, read by the
// watchdog. Writing costs one reading of the clock and three stores.
//
// Threads: one writes, any read.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace colony {

// A step whose trouble is the disk's.
inline constexpr const char* kFlushStep = "flushing the write-ahead log to disk";

// What a loop says of itself, to be passed on: see LoopProgress.
struct LoopMark {
  enum Kind { kBegins, kGoesOnWith, kAdvances, kRests };
  Kind kind;
  const char* step = "";  // a literal; of the first two
};

class LoopProgress {
 public:
  using Clock = std::chrono::steady_clock;

  // `step` is a literal. Beginning a step is progress.
  void begin(const char* step) {
    advance();
    step_ = step;
    resting_ = false;
  }
  // The same, but to begin again what did not come to an end is no progress.
  void go_on_with(const char* step) {
    if (resting_ || step_ != step) begin(step);
  }
  // Something of the step at hand is done: a part of a file, say.
  void advance() {
    since_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
  }
  // There is nothing to do.
  void rest() {
    advance();
    resting_ = true;
  }

  void mark(const LoopMark& mark) {
    switch (mark.kind) {
      case LoopMark::kBegins:
        return begin(mark.step);
      case LoopMark::kGoesOnWith:
        return go_on_with(mark.step);
      case LoopMark::kAdvances:
        return advance();
      case LoopMark::kRests:
        return rest();
    }
  }

  struct View {
    bool resting = true;
    const char* step = "";
    Clock::time_point since;  // its begin, or the latest progress in it
  };
  View view() const {
    return {resting_.load(), step_.load(), Clock::time_point(std::chrono::nanoseconds(since_ns_.load()))};
  }

 private:
  std::atomic<const char*> step_{""};
  std::atomic<bool> resting_{true};
  std::atomic<std::int64_t> since_ns_{0};
};

}  // namespace colony
