// What the apps of a simulated colony do: transactions of random SQL, begun and ended in
// one step or in several.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace colony::sim {

class AppSteps {
 public:
  explicit AppSteps(World& world) : world_(world) {}

  // Goes on with the transaction at hand, or begins one. Throws Violation if SQLite, with
  // the capture in it, says what an app must not be told.
  void step(std::size_t at);
  // The app ends what it has begun.
  void come_to_rest(std::size_t at);
  // It will not: it has died, or its connection is another one.
  void forget(std::size_t at) { apps_[at].statements.clear(); }

  // Its machine has lost power. Throws Violation if anything is missing that it had
  // committed with synchronous=FULL; what is missing otherwise it does not expect again.
  void lost_power(std::size_t at);

  // At rest: the audit rows that apps were told are committed are there, each once.
  // Throws Violation.
  void check_audits();

 private:
  struct App {
    std::vector<std::string> statements;         // of the transaction at hand, those to come
    std::map<std::string, std::size_t> audited;  // by its name then: audit rows that it was told are committed
  };

  void execute(std::size_t at, const std::string& sql);
  void finish_transaction(std::size_t at);
  std::size_t audited(std::size_t at);

  World& world_;
  std::map<std::size_t, App> apps_;  // by their nodes
};

}  // namespace colony::sim
