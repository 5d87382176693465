#include "tests/load/generator/process_usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/load/metad/write_queue.h"

namespace load {
namespace {

// User and system time of all threads since the start; below 0: there is no such process.
double cpu_seconds(long pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return -1;
  const std::size_t name_end = line.rfind(')');
  if (name_end == line.npos) return -1;
  std::istringstream fields(line.substr(name_end + 2));
  std::string skipped;
  for (int n = 0; n < 11; ++n) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void ProcessUsage::watch(std::string name, std::string pid_file) {
  names_.push_back(std::move(name));
  processes_.push_back({std::move(pid_file)});
}

void ProcessUsage::watch_self(std::string name) {
  names_.push_back(std::move(name));
  processes_.push_back({"", getpid()});
}

void ProcessUsage::watch_pid(std::string name, long pid) {
  names_.push_back(std::move(name));
  processes_.push_back({"", pid});
}

std::vector<Usage> ProcessUsage::look() {
  std::vector<Usage> all;
  const double page_mib = static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024 * 1024);
  for (Process& process : processes_) {
    long pid = process.pid;
    if (!process.pid_file.empty()) {
      pid = 0;
      std::ifstream(process.pid_file) >> pid;
    }
    const std::int64_t now_ns = metad::monotonic_ns();
    const double cpu_s = pid > 0 ? cpu_seconds(pid) : -1;
    Usage usage;
    if (cpu_s >= 0) {
      if (pid == process.pid && process.looked_ns != 0) {
        usage.cpu = (cpu_s - process.cpu_s) / (static_cast<double>(now_ns - process.looked_ns) / 1e9);
      }
      double size = 0, resident = 0, shared = 0;
      std::ifstream("/proc/" + std::to_string(pid) + "/statm") >> size >> resident >> shared;
      usage.resident_mib = resident * page_mib;
      usage.own_mib = (resident - shared) * page_mib;
    }
    process.pid = pid;
    process.cpu_s = cpu_s;
    process.looked_ns = now_ns;
    all.push_back(usage);
  }
  return all;
}

}  // namespace load
