// metad's sockets: one listener, and some threads that serve connections, each with
// an event loop and a read-only SQLite connection of its own. What is written goes
// through the WriteQueue, and comes back by it.
//
// A connection that idles keeps no buffer: bytes are read when there are some, into
// a buffer that its thread shares among all, and answered at once if they can be.
//
// Threads: run() returns after stop() or a signal; the rest is its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/load/metad/write_queue.h"
#include "tests/load/metad/writer.h"

namespace metad {

struct ServerSettings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: a free one
  unsigned threads = 2;
  int idle_s = 600;    // a client that asks for nothing
  int request_s = 10;  // a client that has begun to ask, or does not take its answer
  WriterSettings writer;
  QueueSettings queue;
};

class Server {
 public:
  // Opens the file and listens. Throws std::runtime_error with a line for people.
  explicit Server(const ServerSettings& settings);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  // Serves until SIGINT or SIGTERM. What was taken by then is committed and answered.
  void run();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace metad
