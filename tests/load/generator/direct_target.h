// Users who reach nodes' files through worker processes, without HTTP: what is left
// is SQLite, capture and Colony.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/load/generator/direct_worker.h"
#include "tests/load/generator/target.h"

namespace load {

class DirectTarget : public Target {
 public:
  DirectTarget(boost::asio::io_context& loop, Listener& listener, const std::vector<WorkerProcess>& workers,
               std::size_t users, std::uint32_t value_bytes);

  void connect(UserNumber user, std::uint8_t node) override;
  void close(UserNumber user) override;
  void send(UserNumber user, const Ask& ask) override;

 private:
  struct User {
    std::uint8_t node = 0;
    bool is_connected = false;
    std::uint32_t life = 0;
  };
  struct Node {
    explicit Node(boost::asio::io_context& loop) : socket(loop) {}
    boost::asio::local::stream_protocol::socket socket;
    std::string sending, waiting;  // asks: with the kernel, and behind those
    std::string received;
    std::array<char, 64 * 1024> input;
    bool is_gone = false;
  };

  void send_waiting(Node& node);
  void receive(Node& node);
  void take(Node& node);
  void lose(Node& node);

  boost::asio::io_context& loop_;
  Listener& listener_;
  const std::uint32_t value_bytes_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<User> users_;
};

}  // namespace load
