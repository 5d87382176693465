// What the loops of the simulated sidecars do: start, step, install snapshots,
// and crash.
//
// Errors: Violation, and those of a loop that must not happen there.
#pragma once

#include <functional>
#include <string>

#include "tests/sim/world.h"

namespace colony::sim {

class LoopSteps {
 public:
  explicit LoopSteps(World& world) : world_(world) {}

  void start(std::size_t at);
  void apply(std::size_t at);
  void publish(std::size_t at);
  // In wal mode: what the capture's loop does, or a checkpoint of somebody else's.
  void capture(std::size_t at);
  // In wal mode, as the sidecar does before each step of the applier: makes sure that what apps have
  // committed is captured. False if that has to wait. True in session mode.
  bool keep_captured(std::size_t at);
  void crash(std::size_t at);
  void check(std::size_t at);

  // Takes the newest snapshot from which the log can be read on, or any of them.
  void install(std::size_t at, bool newest);
  // The same for a file that has met nobody.
  void meet(std::size_t at, bool newest);

 private:
  bool find_missed(std::size_t at);
  std::unique_ptr<WalCapture::Turn> put_missed(std::size_t at, Sequence base);
  void begin_without_comparison(std::size_t at);
  void take(std::size_t at, bool newest, const std::function<void(const std::string& base)>& install);

  World& world_;
};

}  // namespace colony::sim
