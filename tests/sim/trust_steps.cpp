#include "tests/sim/trust_steps.h"

#include "tests/sim/forgery.h"
#include "tests/sim/keys.h"

namespace colony::sim {

void TrustSteps::step(std::size_t at) {
  Random& random = world_.random;
  if (world_.plan.faults && random.percent(60)) return append_forgery();
  Node& node = world_.node(at);
  if (!node.running() || node.app_in_transaction() || !node.is_trusted()) return;
  char left_out = '\0';
  if (random.percent(40)) left_out = letter_of(random.below(world_.nodes.size()));
  if (left_out == letter_of(at)) left_out = '\0';
  const std::uint64_t version = node.trust().version + (random.percent(85) ? 1 : 0);
  world_.say(at, "says whom to trust: version " + std::to_string(version) +
                     (left_out == '\0' ? "" : std::string(", but not ") + left_out));
  node.publisher().enqueue(trust_of_all(version, left_out));
}

std::uint64_t TrustSteps::version_in_the_log() {
  world_.reference->follow(world_.log.messages());
  return world_.reference->trust_version();
}

// Once keys are trusted; before, they would count.
void TrustSteps::append_forgery() {
  if (version_in_the_log() == 0) return;
  if (const std::optional<Message> forgery = random_forgery(world_.log.messages(), world_.random)) {
    world_.transcript.add("a forgery under the name of " + forgery->origin);
    world_.log.append(forgery->origin, forgery->data);
  }
}

bool TrustSteps::trust_everybody() {
  const std::uint64_t version = version_in_the_log();
  if (version == 0 || --rounds_until_trust_ > 0) return false;
  const auto is_member = [](Node& node) { return node.is_trusted() && node.members().contains(node.name()); };
  for (const auto& node : world_.nodes) {
    if (node->trust().version != version || !is_member(*node) || node->is_shut_out()) continue;
    if (node->trust().keys == trust_of_all(version).keys) return false;
    node->publisher().enqueue(trust_of_all(version + 1));
    rounds_until_trust_ = 10;  // or it was ignored, since its sender has left
    return true;
  }
  return false;
}

}  // namespace colony::sim
