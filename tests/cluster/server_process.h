// A server that a test starts: on loopback, and killed with the object, or with the
// thread that made it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

class ServerProcess {
 public:
  // Starts `command`, whose standard error goes to the file `log`. With
  // `says_its_port` it prints that on the first line of its standard output, which
  // is awaited. Throws std::runtime_error.
  ServerProcess(std::vector<std::string> command, const std::string& log, bool says_its_port);
  ~ServerProcess();

  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  int port() const { return port_; }

  // Whether it has not ended by itself.
  bool is_running();
  void kill();

 private:
  pid_t pid_ = -1;
  int port_ = 0;
};

// Runs a program to its end. Throws std::runtime_error unless it exits with 0.
void run_program(std::vector<std::string> command);

// A port of loopback that nobody listens on just now.
int free_port();

// Waits until somebody accepts connections at the port; false if nobody does
// within 10 s or `server` has ended.
bool await_port(int port, ServerProcess& server);
