// Other processes: programs that are started, functions that run in a fork, and
// what they use of the machine.
//
// Start them from the main thread: they die with the thread that started them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace colony::bench {

// A program, its output in a file. Ended when it is destroyed.
class Program {
 public:
  // Throws std::runtime_error if it cannot be started.
  Program(const std::vector<std::string>& words, const std::filesystem::path& output);
  Program(Program&& other) noexcept;
  Program& operator=(Program&&) = delete;
  ~Program();

  pid_t pid() const { return pid_; }
  // Waits for it to end by itself: throws std::runtime_error with its output
  // unless its exit code is 0.
  void finish();
  // Whether it still runs.
  bool is_running();
  std::string output() const;

 private:
  pid_t pid_ = -1;
  std::vector<std::string> words_;
  std::filesystem::path output_;
};

// Runs a function in a forked process, and hands over the numbers that it gives.
// The function must not use what the parent has open.
class Fork {
 public:
  // `ready`, to be called once by the function, lets await_ready() return.
  using Body = std::function<std::vector<std::int64_t>(const std::function<void()>& ready)>;

  explicit Fork(const Body& body);
  Fork(Fork&& other) noexcept;
  Fork& operator=(Fork&&) = delete;
  ~Fork();

  void await_ready();
  // Whether it has given its numbers, or failed.
  bool is_done() const;
  // What the function gave. Throws std::runtime_error if it failed.
  std::vector<std::int64_t> result();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
};

// Of all threads of a process since it began.
double cpu_seconds(pid_t pid);
std::int64_t context_switches(pid_t pid);

// Of all CPUs since the machine started, in seconds: at work for anybody, and all.
struct MachineTime {
  double busy = 0;
  double all = 0;
};
MachineTime machine_time();

struct Memory {
  double resident_mib = 0;
  double anonymous_mib = 0;  // its own, not files that others map too
  double peak_resident_mib = 0;
};
Memory memory_of(pid_t pid);

}  // namespace colony::bench
