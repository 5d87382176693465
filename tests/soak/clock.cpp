// A wall clock that can be set while a program runs: LD_PRELOAD it, and name in
// $SOAK_CLOCK a file of 8 bytes, nanoseconds to be added to the machine's clock.
//
// Setting back the clock of a machine moves CLOCK_REALTIME alone, and moves with it
// every wait for a point of that clock: a timed wait that began before gets longer.
// So waits are cut into slices here, and end when the shifted clock says so. Programs
// that do not ask libc for the time (nats-server: Go asks the kernel) see nothing.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kSlice = kSecond / 20;

std::int64_t offset() {
  static const std::atomic<std::int64_t>* const shared = [] {
    static const std::atomic<std::int64_t> none{0};
    const char* const path = std::getenv("SOAK_CLOCK");
    const int file = path != nullptr ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void* const bytes = file >= 0 ? mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    if (file >= 0) close(file);
    return bytes == MAP_FAILED ? &none : static_cast<const std::atomic<std::int64_t>*>(bytes);
  }();
  return shared->load(std::memory_order_relaxed);
}

// What libc has under the name; of several versions the one named, if there is one.
template <class Function>
Function next(const char* name, const char* version = "") {
  void* const versioned = dlvsym(RTLD_NEXT, name, version);
  return reinterpret_cast<Function>(versioned != nullptr ? versioned : dlsym(RTLD_NEXT, name));
}

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }
timespec time_of(std::int64_t nanoseconds) { return {nanoseconds / kSecond, nanoseconds % kSecond}; }

int real_clock(clockid_t clock, timespec* now) {
  static const auto real = next<int (*)(clockid_t, timespec*)>("clock_gettime");
  return real(clock, now);
}

std::int64_t machine_time() {
  timespec now{};
  real_clock(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const int result = real_clock(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    *now = time_of(nanoseconds(*now) + offset());
  }
  return result;
}

int gettimeofday(timeval* now, void*) noexcept {
  const timespec shifted = time_of(machine_time() + offset());
  *now = {shifted.tv_sec, shifted.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  const time_t now = (machine_time() + offset()) / kSecond;
  if (result != nullptr) *result = now;
  return now;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  using Wait = int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*);
  static const Wait real = next<Wait>("pthread_cond_timedwait", "GLIBC_2.3.2");
  // A condition variable may go by the monotonic clock, which counts from the boot.
  constexpr time_t kLongAgo = 1'000'000'000;
  if (until->tv_sec < kLongAgo) return real(condition, mutex, until);
  for (;;) {
    const std::int64_t now = machine_time(), left = nanoseconds(*until) - offset() - now;
    const timespec slice = time_of(now + std::clamp<std::int64_t>(left, 0, kSlice));
    const int result = real(condition, mutex, &slice);
    if (result != ETIMEDOUT || left <= kSlice) return result;
  }
}

}  // extern "C"
