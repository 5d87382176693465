#include "tests/bench/stepped_node.h"

#include "replicator/membership/enrollment.h"

namespace colony::bench {
namespace {

constexpr auto kNoWait = std::chrono::milliseconds(0);

Applier::Options applier_options(const std::string& path) {
  Applier::Options options;
  options.home = home_of(path);
  return options;
}

}  // namespace

SteppedNode::SteppedNode(const std::string& path, const std::string& name,
                         std::shared_ptr<MemoryLog::Messages> messages)
    : log_(std::move(messages), name),
      publisher_(path, log_, permit_,
                 {.hello = {home_of(path).host, home_of(path).path, COLONY_VERSION}, .key = nullptr}),
      applier_(path, log_, reports_, applier_options(path)) {}

void SteppedNode::absorb() {
  while (applier_.position() < log_.last_known()) applier_.step(kNoWait);
}

void SteppedNode::run() {
  for (;;) {
    const bool moved = applier_.step(kNoWait);
    const bool sent = publisher_.step();
    if (!moved && !sent) return;
  }
}

}  // namespace colony::bench
