#include "tests/load/generator/worker_process.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>

namespace load {

WorkerProcess start_worker_process(const std::string& name, const std::function<void(int socket)>& work) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("no socket pair");
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::signal(SIGINT, SIG_IGN);  // the parent's end is its own
    ::close(ends[0]);
    int code = 0;
    try {
      work(ends[1]);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "colony-load: %s%s\n", name.c_str(), error.what());
      code = 2;
    }
    ::_exit(code);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

}  // namespace load
