// Who is trusted in a simulated colony: somebody says by which keys it is to know its
// members, and strangers speak under their names.
#pragma once

#include "tests/sim/world.h"

namespace colony::sim {

class TrustSteps {
 public:
  explicit TrustSteps(World& world) : world_(world) {}

  void step(std::size_t at);

  // At rest, again and again: whoever is trusted trusts all. True if something was
  // asked for.
  bool trust_everybody();

 private:
  void append_forgery();
  std::uint64_t version_in_the_log();

  World& world_;
  int rounds_until_trust_ = 0;  // that somebody says again whom to trust
};

}  // namespace colony::sim
