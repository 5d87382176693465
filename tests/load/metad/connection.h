// A client's connection, and the thread that serves it.
//
// Threads: all of a worker's connections are used on its thread only; what comes
// from elsewhere is posted to its loop.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "tests/load/metad/http_session.h"
#include "tests/load/metad/service.h"
#include "tests/load/metad/write_queue.h"

namespace metad {

using Loop = boost::asio::io_context;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Loop::executor_type>;

struct WorkerSettings {
  unsigned number = 0;
  std::string path;
  Shared shared;
  int idle_s, request_s;
};

class Connection;

class Worker {
 public:
  explicit Worker(const WorkerSettings& settings);

  // Before run(), and while it runs until its end.
  void use(WriteQueue& queue) { queue_ = &queue; }
  Loop& loop() { return loop_; }
  void run();

  // On the worker's thread.
  void serve(Socket socket);
  void answer(std::vector<WriteQueue::Answer>&& answers);
  // Closes who idles, and ends when the others have been answered. Who does not take
  // its answer within seconds is closed, too.
  void finish();

  std::uint64_t requests() const { return service_.handled(); }
  std::uint64_t open() const { return open_.load(std::memory_order_relaxed); }

 private:
  friend class Connection;
  using Connections = std::list<std::shared_ptr<Connection>>;

  void look_after_the_slow();
  void end();
  void forget(Connection& connection);

  Loop loop_{1};
  boost::asio::executor_work_guard<Loop::executor_type> work_;
  boost::asio::steady_timer timer_;
  Service service_;
  const WorkerSettings settings_;
  WriteQueue* queue_ = nullptr;
  Connections connections_;  // who was quiet for longest comes first
  bool finishing_ = false;
  std::int64_t finish_by_s_ = 0;
  std::array<char, 64 * 1024> input_;  // whoever reads just now
  std::string output_;                 // whoever is answered just now
  std::atomic<std::uint64_t> open_{0};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, Socket socket) : worker_(worker), socket_(std::move(socket)) {}

  void start();
  void answer(const Response& response);
  void close();

 private:
  friend class Worker;

  void await_bytes();
  void read();
  // Sends what the session has said, and goes on with what it is about.
  void go_on();
  void send(std::string& bytes);
  void await_room();
  void touch();

  Worker& worker_;
  Socket socket_;
  HttpSession session_;
  std::string unsent_;  // what the client has not taken yet; usually nothing
  std::int64_t quiet_since_s_ = 0;
  Worker::Connections::iterator place_;
};

}  // namespace metad
