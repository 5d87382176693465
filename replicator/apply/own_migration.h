// Whether a program on this node seems to be in the middle of a migration: then changes of the
// schema by other nodes wait a little. A program that has planned its steps by the schema that
// it met would fail on one that others have changed halfway. When all nodes run the same
// migration at once each makes all of it, and it counts once.
//
// Threads: one. Errors: none.
#pragma once

#include <chrono>
#include <optional>

#include "replicator/log/names.h"

namespace colony {

class OwnMigration {
 public:
  using Clock = std::chrono::steady_clock;

  // It is over once nothing more came for `pause`; nobody waits for longer than `wait_max`.
  explicit OwnMigration(Clock::duration pause, Clock::duration wait_max = std::chrono::seconds(30))
      : pause_(pause), wait_max_(wait_max) {}

  // The latest transaction in the outbox that changes the schema, if there is one.
  void look(std::optional<ChunkNumber> latest, Clock::time_point now);

  // Whether somebody else's change should wait now.
  bool holds_back(Clock::time_point now);

 private:
  const Clock::duration pause_, wait_max_;
  std::optional<ChunkNumber> latest_;
  std::optional<Clock::time_point> changed_;
  std::optional<Clock::time_point> since_;  // others wait
};

}  // namespace colony
