// Leaves the write lock to the app often enough.
//
// SQLite has no queue for it: an app that finds it taken sleeps and looks again,
// after 1, 2, 5, 10, 15, 20, 25, 25 ms by its own busy timeout, which is eight
// looks in 100 ms. An applier with much to catch up on would hold the lock at most
// of them. So it may hold it for a part of the time only: a quarter while an app
// writes, half otherwise, and then even the first write after a pause is refused
// eight times in a row less than once in a hundred times. What it does now and
// then is not delayed: a few milliseconds may be held at once before any rest.
//
// A quarter can be too little: the further a file is behind, the more transactions of
// its own are pending, and each round takes these out and puts them back. A file that a
// moment's stall had put two seconds behind stayed there for minutes, at a load that it
// had carried well before. So one that is late has half of the time beside an app, too;
// after an absence the quarter must do, since it then takes long whatever it has.
//
// Threads: one.
#pragma once

#include <chrono>

namespace colony {

class WriteLockThrottle {
 public:
  using Clock = std::chrono::steady_clock;

  // The lock was held in [from, until); `others_wrote` since it was held before.
  void held(Clock::time_point from, Clock::time_point until, bool others_wrote);

  // Whether the file, which was in step, has been behind the log for too long.
  void set_late(bool late) { late_ = late; }

  // How long it should be left alone from `now` on; zero: not at all.
  Clock::duration rest(Clock::time_point now) const;

  // Whether somebody else has written of late.
  bool app_writes(Clock::time_point now) const;

 private:
  int free_per_held(Clock::time_point now) const;
  Clock::duration owed(Clock::time_point now) const;

  bool late_ = false;
  Clock::duration owed_{};  // held and not yet made up for, at `until_`
  Clock::time_point until_;
  Clock::time_point others_wrote_ = Clock::time_point::min();
};

}  // namespace colony
