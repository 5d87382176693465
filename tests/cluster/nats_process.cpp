#include "tests/cluster/nats_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::filesystem::path make_directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "colony-nats-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory: " + pattern);
  return pattern;
}

// "nats://127.0.0.1:4222" out of the ports file; 0 while it is incomplete.
int port_in(const std::string& ports_file) {
  const auto url = ports_file.find("nats://");
  const auto end = ports_file.find('"', url);
  if (url == std::string::npos || end == std::string::npos) return 0;
  const auto colon = ports_file.rfind(':', end);
  return std::atoi(ports_file.c_str() + colon + 1);
}

}  // namespace

NatsProcess::NatsProcess(std::vector<std::string> arguments)
    : arguments_(std::move(arguments)), directory_(make_directory()) {
  try {
    start();
  } catch (...) {
    kill();
    std::filesystem::remove_all(directory_);
    throw;
  }
}

NatsProcess::~NatsProcess() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string NatsProcess::url() const { return "nats://127.0.0.1:" + std::to_string(port_); }

void NatsProcess::start() {
  if (is_running()) return;
  const char* binary = std::getenv("NATS_SERVER");
  std::vector<std::string> words = {binary != nullptr && *binary != '\0' ? binary : "nats-server",
                                    "--addr",
                                    "127.0.0.1",
                                    "--port",
                                    std::to_string(port_),
                                    "--store_dir",
                                    (directory_ / "store").string(),
                                    "--ports_file_dir",
                                    directory_.string(),
                                    "--log",
                                    (directory_ / "log").string()};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == -1) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  await_ports_file();
}

void NatsProcess::await_ports_file() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const std::string suffix = "_" + std::to_string(pid_) + ".ports";
  while (std::chrono::steady_clock::now() < deadline) {
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      if (!file.path().string().ends_with(suffix)) continue;
      if (const int port = port_in(read_file(file.path())); port > 0) {
        port_ = port;
        return;
      }
    }
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("nats-server ended at once: " + server_log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error("nats-server does not come up: " + server_log());
}

std::string NatsProcess::server_log() const { return read_file(directory_ / "log"); }

void NatsProcess::end_with(int signal) {
  if (!is_running()) return;
  ::kill(pid_, SIGCONT);
  ::kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
}

void NatsProcess::kill() { end_with(SIGKILL); }
void NatsProcess::stop() { end_with(SIGINT); }
void NatsProcess::freeze() {
  if (!is_running()) return;
  ::kill(pid_, SIGSTOP);
  int status = 0;
  waitpid(pid_, &status, WUNTRACED);  // all its threads have stopped
}
void NatsProcess::thaw() {
  if (is_running()) ::kill(pid_, SIGCONT);
}
