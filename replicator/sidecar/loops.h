// How the loops of a sidecar, each on a thread of its own, pause, hear that they are to
// end, and tell that they have ended.
//
// Threads: any.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace colony {

class Loops {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // `running` loops that will each call ended() once.
  explicit Loops(int running) : running_(running) {}

  bool stopping() const { return stopping_; }
  void stop();

  // Waits, unless the sidecar is to stop.
  void pause(Duration time);

  // What a loop calls last.
  void ended();
  // False if some have not ended in that time.
  bool await_ends(Duration time);

 private:
  std::atomic<bool> stopping_{false};  // set under mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  int running_;  // guarded by mutex_
};

}  // namespace colony
