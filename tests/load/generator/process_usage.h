// What processes use: the shares of a core, and memory, from /proc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace load {

struct Usage {
  double cpu = 0;      // of one core, since the last look
  double own_mib = 0;  // resident memory without mapped files
  double resident_mib = 0;
};

class ProcessUsage {
 public:
  // `name` for people; `pid_file` is read at each look: a process may be another one
  // by then.
  void watch(std::string name, std::string pid_file);
  void watch_self(std::string name);
  void watch_pid(std::string name, long pid);

  const std::vector<std::string>& names() const { return names_; }
  // Zeros for who does not run.
  std::vector<Usage> look();

 private:
  struct Process {
    std::string pid_file;
    long pid = 0;
    double cpu_s = 0;
    std::int64_t looked_ns = 0;
  };
  std::vector<std::string> names_;
  std::vector<Process> processes_;
};

}  // namespace load
