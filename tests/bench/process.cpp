#include "tests/bench/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/bench/rounds.h"

namespace colony::bench {
namespace {

pid_t fork_that_dies_with_us() {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
  }
  return pid;
}

int wait_for(pid_t pid, int options, int& status) {
  int rc;
  do {
    rc = waitpid(pid, &status, options);
  } while (rc < 0 && errno == EINTR);
  return rc;
}

void write_all(int file, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(file, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(125);
    at += written;
    size -= static_cast<std::size_t>(written);
  }
}

bool read_all(int file, void* data, std::size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = read(file, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The number after `name` in a file of lines `name: number`.
std::int64_t number_in(const std::filesystem::path& path, const std::string& name) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return std::atoll(line.c_str() + name.size() + 1);
  }
  return 0;
}

template <class Visit>
void for_each_thread(pid_t pid, Visit&& visit) {
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    visit(thread.path());
  }
}

}  // namespace

Program::Program(const std::vector<std::string>& words, const std::filesystem::path& output)
    : words_(words), output_(output) {
  std::vector<char*> argv;
  for (std::string& word : words_) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork_that_dies_with_us();
  if (pid_ != 0) return;
  const int in = open("/dev/null", O_RDONLY);
  const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  execvp(argv[0], argv.data());
  std::fprintf(stderr, "cannot run %s: %s\n", argv[0], std::strerror(errno));
  _exit(127);
}

Program::Program(Program&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), words_(std::move(other.words_)), output_(std::move(other.output_)) {}

Program::~Program() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  int status = 0;
  const std::int64_t deadline = now_ns() + 5'000'000'000;
  while (wait_for(pid_, WNOHANG, status) == 0) {
    if (now_ns() > deadline) kill(pid_, SIGKILL);
    usleep(5'000);
  }
}

void Program::finish() {
  int status = 0;
  wait_for(pid_, 0, status);
  pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  throw std::runtime_error("'" + words_[0] + " " + (words_.size() > 1 ? words_[1] : "") + "' failed: " + output());
}

bool Program::is_running() {
  int status = 0;
  if (pid_ > 0 && wait_for(pid_, WNOHANG, status) != 0) pid_ = -1;
  return pid_ > 0;
}

std::string Program::output() const { return content_of(output_); }

Fork::Fork(const Body& body) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pid_ = fork_that_dies_with_us();
  if (pid_ != 0) {
    close(ends[1]);
    pipe_ = ends[0];
    return;
  }
  close(ends[0]);
  try {
    const char ready = 1;
    const std::vector<std::int64_t> numbers = body([&] { write_all(ends[1], &ready, 1); });
    const std::size_t count = numbers.size();
    write_all(ends[1], &count, sizeof count);
    write_all(ends[1], numbers.data(), count * sizeof numbers[0]);
    _exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "\n%s\n", error.what());
    _exit(1);
  }
}

Fork::Fork(Fork&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pipe_(std::exchange(other.pipe_, -1)) {}

Fork::~Fork() {
  if (pipe_ >= 0) close(pipe_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  wait_for(pid_, 0, status);
}

void Fork::await_ready() {
  char ready = 0;
  if (!read_all(pipe_, &ready, 1)) throw std::runtime_error("a process of the benchmark failed (its words are above)");
}

bool Fork::is_done() const {
  pollfd numbers{pipe_, POLLIN, 0};
  return poll(&numbers, 1, 0) != 0;
}

std::vector<std::int64_t> Fork::result() {
  std::size_t count = 0;
  std::vector<std::int64_t> numbers;
  bool whole = read_all(pipe_, &count, sizeof count);
  if (whole) {
    numbers.resize(count);
    whole = read_all(pipe_, numbers.data(), count * sizeof(std::int64_t));
  }
  int status = 0;
  wait_for(pid_, 0, status);
  pid_ = -1;
  if (!whole) throw std::runtime_error("a process of the benchmark failed (its words are above)");
  return numbers;
}

double cpu_seconds(pid_t pid) {
  double sum = 0;
  for_each_thread(pid, [&](const std::filesystem::path& thread) {
    sum += std::atof(content_of(thread / "schedstat").c_str()) / 1e9;  // the first number: ns on a CPU
  });
  return sum;
}

std::int64_t context_switches(pid_t pid) {
  std::int64_t sum = 0;
  for_each_thread(pid, [&](const std::filesystem::path& thread) {
    sum += number_in(thread / "status", "voluntary_ctxt_switches");
  });
  return sum;
}

MachineTime machine_time() {
  // cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5));
  // a guest's time is in the user's.
  std::istringstream line(content_of("/proc/stat"));
  std::string name;
  line >> name;
  MachineTime time;
  double ticks = 0;
  for (int field = 0; field < 8 && line >> ticks; ++field) {
    time.all += ticks;
    const bool is_idle = field == 3 || field == 4;
    if (!is_idle) time.busy += ticks;
  }
  const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {time.busy / per_second, time.all / per_second};
}

Memory memory_of(pid_t pid) {
  const std::filesystem::path status = "/proc/" + std::to_string(pid) + "/status";
  return {static_cast<double>(number_in(status, "VmRSS")) / 1024,
          static_cast<double>(number_in(status, "RssAnon")) / 1024,
          static_cast<double>(number_in(status, "VmHWM")) / 1024};
}

}  // namespace colony::bench
