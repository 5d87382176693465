// How much of the log one write transaction of the applier takes in.
//
// A round holds the write lock, so it should end after a few milliseconds: it
// takes in as many entries as, by the experience of the rounds before, can be
// applied in that time, with what they make it undo and redo.
//
// When each of many entries meets the same pending transactions, short rounds
// would undo these over and over, and catching up would take time in proportion to
// the product of what waits here and what was missed. So what was undone is owed:
// while it exceeds a multiple of what was applied, rounds grow beyond the time by
// what is owed, and all of the catching up stays in proportion to the sum. (With a bound
// of 20 ms to that, a node with 14,000 pending transactions on hot rows took in one entry
// a second.)
//
// Work is counted in changes of a row of ordinary size. Threads: one.
#pragma once

#include <chrono>
#include <cstddef>

namespace colony {

class RoundBudget {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // Whether another entry should come to the `entries` that a round has, which are
  // `applied` to apply and make it undo `undone`.
  bool has_room(Duration time, std::size_t entries, double applied, double undone) const;

  // What a round came to.
  void round_done(Duration took, double applied, double undone);

 private:
  double work_per_ms_ = 50;  // of a slow machine, until it is known
  double owed_ = 0;
};

}  // namespace colony
