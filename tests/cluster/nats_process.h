// A real nats-server with JetStream, for tests: on loopback, on a free port,
// its store in a directory of its own. The binary is $NATS_SERVER or the
// nats-server of the PATH.
//
// The server dies with the thread that started it, so start it from one that
// lives as long as the test.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

class NatsProcess {
 public:
  // Starts it. `arguments` are added to the command line. Throws
  // std::runtime_error with the server's log when it does not come up.
  explicit NatsProcess(std::vector<std::string> arguments = {"--jetstream"});

  // Kills it and removes the store.
  ~NatsProcess();

  NatsProcess(const NatsProcess&) = delete;
  NatsProcess& operator=(const NatsProcess&) = delete;

  std::string url() const;
  const std::filesystem::path& directory() const { return directory_; }
  bool is_running() const { return pid_ > 0; }

  // Returns when the process is gone: at once, or in good order.
  void kill();
  void stop();

  // Stops all its threads, as a machine that hangs does, and lets them go on.
  void freeze();
  void thaw();

  // Again after kill() or stop(): on the same store and the same port. Returns
  // when it takes connections.
  void start();

 private:
  void end_with(int signal);
  void await_ports_file();
  std::string server_log() const;

  const std::vector<std::string> arguments_;
  std::filesystem::path directory_;
  int port_ = -1;
  pid_t pid_ = -1;
};
