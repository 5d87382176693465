#include "tests/sim/membership.h"

#include <iterator>

namespace colony::sim {

void Membership::change(std::size_t at) {
  Node& node = world_.node(at);
  if (node.app_in_transaction()) return;
  if (node.is_shut_out()) return come_back(at);
  if (!node.running()) return;
  const std::map<std::string, Incarnation> members = node.members();
  if (members.empty()) return;
  const auto leaver = std::next(members.begin(), static_cast<std::ptrdiff_t>(world_.random.below(members.size())));
  world_.say(at, "says that " + leaver->first + " leaves");
  node.publisher().enqueue(LeaveEntry{leaver->first, leaver->second});
}

void Membership::come_back(std::size_t at) {
  Node& node = world_.node(at);
  if (node.is_read()) return;
  if (node.captures_from_log() && (!node.running() || !loops_.keep_captured(at))) return;
  if (!world_.resting && !world_.can_be_away(at)) return;
  ++lives_;
  std::string name = std::string(1, letter_of(at)) + std::to_string(lives_);
  const std::string former(1, letter_of(world_.random.below(world_.nodes.size())));
  const bool is_own = former.front() == letter_of(at);  // whose key is this file's
  if (world_.schema_sql.audited.empty() && world_.random.percent(40) && (!world_.has_keys || is_own) &&
      !node.members().contains(former)) {
    name = former;
  }
  world_.say(at, "begins another life as " + name);
  node.rename(name, 1000 + lives_);
  apps_.forget(at);
}

}  // namespace colony::sim
