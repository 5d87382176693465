// COLONY_CRASH_STEP=NAME:N kills the process, as kill -9 does, when it passes the step
// NAME for the Nth time.
#include "sqlite_ext/crash_step.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

namespace colony {
namespace {

struct Target {
  Target() {
    const char* const text = std::getenv("COLONY_CRASH_STEP");
    if (text == nullptr) return;
    const char* const colon = std::strrchr(text, ':');
    if (colon == nullptr) std::abort();
    name.assign(text, colon);
    passings_left = std::atoi(colon + 1);
  }
  std::string name;
  std::atomic<int> passings_left{0};
};

}  // namespace

void pass_step(const char* name) noexcept {
  static Target target;
  if (target.name != name || --target.passings_left != 0) return;
  kill(getpid(), SIGKILL);
  for (;;) pause();  // no thread passes it
}

}  // namespace colony
