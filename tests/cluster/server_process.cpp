#include "tests/cluster/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace {

// In the child: never returns.
[[noreturn]] void become(std::vector<std::string>& command, pid_t parent, int output, const std::string& log) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  const int null = open("/dev/null", O_RDWR);
  const int errors = log.empty() ? null : open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(null, STDIN_FILENO);
  dup2(output < 0 ? null : output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

std::vector<pid_t> descendants_of(pid_t pid) {
  const std::string text = std::to_string(pid);
  std::ifstream children("/proc/" + text + "/task/" + text + "/children");
  std::vector<pid_t> all;
  for (pid_t child = 0; children >> child;) {
    all.push_back(child);
    for (const pid_t below : descendants_of(child)) all.push_back(below);
  }
  return all;
}

int read_port(int descriptor) {
  std::string line;
  char c = 0;
  while (read(descriptor, &c, 1) == 1 && c != '\n') line += c;
  return std::atoi(line.c_str());
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> command, const std::string& log, bool says_its_port) {
  int output[2] = {-1, -1};
  if (says_its_port && pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(command, parent, output[1], log);
  if (output[1] >= 0) close(output[1]);
  if (says_its_port) {
    port_ = read_port(output[0]);
    close(output[0]);
  }
  if (pid_ == -1 || (says_its_port && port_ == 0)) {
    kill();
    throw std::runtime_error(command[0] + " does not come up: see " + log);
  }
}

ServerProcess::~ServerProcess() { kill(); }

bool ServerProcess::is_running() {
  int status = 0;
  if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

void ServerProcess::kill() {
  if (pid_ <= 0) return;
  // With what it has forked for its connections.
  const std::vector<pid_t> descendants = descendants_of(pid_);
  ::kill(pid_, SIGKILL);
  for (const pid_t descendant : descendants) ::kill(descendant, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
}

void run_program(std::vector<std::string> command) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) become(command, parent, -1, "");
  int status = 0;
  if (pid == -1 || waitpid(pid, &status, 0) != pid || status != 0) throw std::runtime_error(command[0] + " failed");
}

int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  const bool bound = bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(listener);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool await_port(int port, ServerProcess& server) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const sockaddr_in address = loopback(port);
  while (server.is_running() && std::chrono::steady_clock::now() < deadline) {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(client);
    if (connected) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}
