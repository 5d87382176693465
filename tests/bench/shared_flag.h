// A flag that forked processes see.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <stdexcept>

namespace colony::bench {

class SharedFlag {
 public:
  SharedFlag()
      : flag_(static_cast<std::atomic<bool>*>(
            mmap(nullptr, sizeof *flag_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    if (static_cast<void*>(flag_) == MAP_FAILED) throw std::runtime_error("no shared memory");
  }
  ~SharedFlag() { munmap(flag_, sizeof *flag_); }
  SharedFlag(const SharedFlag&) = delete;
  SharedFlag& operator=(const SharedFlag&) = delete;
  void set() { *flag_ = true; }
  bool is_set() const { return *flag_; }

 private:
  std::atomic<bool>* flag_;
};

}  // namespace colony::bench
