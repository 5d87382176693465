#include "replicator/apply/signing_trouble.h"

namespace colony {

std::string signing_trouble(const Identity& self, const Trust& trust, const std::optional<PublicKey>& key) {
  if (!trust.is_in_force()) return {};
  const std::string ignored = ": what this node sends would be ignored, so it is kept. ";
  const auto known = trust.keys.find(self.node);
  if (!key) {
    return "colony " + self.cluster + " trusts signed entries only, and there is no key here" + ignored +
           (known == trust.keys.end()
                ? "Make one (colony keygen FILE), have it trusted on another node (colony trust DB " + self.node +
                      "=PUBLIC) and give it by --key"
                : "Give this node's key by --key");
  }
  if (known == trust.keys.end()) {
    return "colony " + self.cluster + " does not trust node " + self.node + ignored +
           "On a node that it trusts: colony trust DB " + self.node + "=" + key->text();
  }
  if (known->second != *key) {
    return "the key given is another one than colony " + self.cluster + " trusts node " + self.node + " by" + ignored +
           "Give the right key, or on another node: colony trust DB " + self.node + "=" + key->text();
  }
  return {};
}

}  // namespace colony
