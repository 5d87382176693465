#include "replicator/apply/departure.h"

namespace colony {

std::string departure_message(const Identity& self, const Departure& departure) {
  const std::string entry = " (entry " + std::to_string(departure.sequence.value()) + ")";
  const std::string join = "colony init DB --cluster " + self.cluster + " --node NEW --keep-pending";
  if (departure.removed_by.empty()) {
    return "node " + self.node + " has left colony " + self.cluster + entry +
           ": stop this sidecar and run colony detach DB; or, to join again with what was not sent, " + join;
  }
  return "node " + self.node + " was removed from colony " + self.cluster + " by node " + departure.removed_by + entry +
         ": stop this sidecar, and give the file another name, which keeps and sends what was not sent: " + join;
}

}  // namespace colony
