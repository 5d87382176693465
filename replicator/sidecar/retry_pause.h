// How long a halted node waits before it tries again: three seconds, or longer if trying
// takes long, so that it uses a twentieth of a core at most.
//
// Threads: one.
#pragma once

#include <chrono>

namespace colony {

class RetryPause {
 public:
  using Duration = std::chrono::nanoseconds;

  // What mends a cause is to be noticed within that time.
  static constexpr Duration kLookEvery = std::chrono::seconds(3);
  static constexpr Duration kMax = std::chrono::minutes(10);

  // A try begins.
  void begin() { began_ = processor_time(); }
  // How long to wait after the try, which has failed. To be waited in turns of kLookEvery,
  // with a look in between whether something has changed.
  Duration after_failure() const { return after(processor_time() - began_); }

  static Duration after(Duration took);

 private:
  static Duration processor_time();  // of this thread: to wait for a lock or the broker is no work

  Duration began_{};
};

}  // namespace colony
