// A process of the generator's own, for work that would be in its way: forked, with a
// socket to it. It ends with the parent, and does not outlive it.
//
// To be started before the process has threads. Throws std::runtime_error.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace load {

struct WorkerProcess {
  pid_t pid = -1;
  int socket = -1;  // of the parent: to the one that `work` is given
};

// `name` goes before what an error of `work` says.
WorkerProcess start_worker_process(const std::string& name, const std::function<void(int socket)>& work);

}  // namespace load
