// Users whose connections other processes hold: where a process may not open as many
// files as there are users. The users themselves, their clocks and what is measured
// stay in one process; what comes between counts as latency.
#pragma once

#include <sys/types.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/load/generator/http_target.h"
#include "tests/load/generator/target.h"
#include "tests/load/generator/worker_process.h"

namespace load {

// A stream of records between two processes, many to a system call.
class RecordStream {
 public:
  RecordStream(boost::asio::io_context& loop, int socket);
  void send(const void* record, std::size_t size);
  // Calls `take` with all that has come, again and again; it gives how much it took.
  // At the end of the stream it calls `end`.
  template <class Take, class End>
  void receive(Take take, End end);

 private:
  void flush();

  boost::asio::io_context& loop_;
  boost::asio::local::stream_protocol::socket socket_;
  std::string sending_, waiting_, received_;
  std::array<char, 64 * 1024> input_;
  bool is_flushing_ = false;
};

// Forks: call it before there are threads. User n's connection is worker (n % workers)'s.
WorkerProcess start_relay_worker(const std::vector<HttpNode>& nodes, unsigned number, std::size_t users,
                                 std::uint32_t value_bytes);

class RelayTarget : public Target {
 public:
  RelayTarget(boost::asio::io_context& loop, Listener& listener, const std::vector<WorkerProcess>& workers,
              std::size_t users);

  void connect(UserNumber user, std::uint8_t node) override;
  void close(UserNumber user) override;
  void send(UserNumber user, const Ask& ask) override;

 private:
  void take(std::size_t worker, std::string_view record);
  void order(UserNumber user, unsigned kind, std::uint8_t node, const Ask& ask);

  Listener& listener_;
  std::vector<std::unique_ptr<RecordStream>> workers_;
  std::vector<std::uint32_t> lives_;  // by user: news of a former connection are late
};

}  // namespace load
