// Users as HTTP clients of metad, each over a TCP connection of its own. An idle one
// costs a socket and some hundred bytes: there are no buffers but one that all share.
//
// A client's port is the kernel's choice at connect(), which has some 28,000 to give
// per pair of addresses: so clients come from several loopback addresses.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "tests/load/generator/target.h"

namespace load {

using Loop = boost::asio::io_context;

// A node's service may be several processes: users are spread over them.
struct HttpNode {
  std::string address;
  std::vector<std::uint16_t> ports;
};

class HttpTarget : public Target {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Loop::executor_type>;

  // `value_bytes` is the size of what is written; `process` tells apart those that share
  // the work, so that their clients come from different addresses.
  HttpTarget(Loop& loop, Listener& listener, const std::vector<HttpNode>& nodes, std::size_t users,
             std::uint32_t value_bytes, unsigned process = 0);

  void connect(UserNumber user, std::uint8_t node) override;
  void close(UserNumber user) override;
  void send(UserNumber user, const Ask& ask) override;

 private:
  struct Channel {
    explicit Channel(Loop& loop) : socket(loop) {}
    Socket socket;
    std::string partial;     // of an answer that came in pieces
    std::uint32_t life = 0;  // of a socket: handlers of a former one are late
    std::uint32_t key = 0;   // what it has asked for last
    Operation operation = Operation::kRead;
    std::uint8_t node = 0;
  };

  void await(UserNumber user);
  void receive(UserNumber user);
  void lose(UserNumber user, Loss loss);
  std::string_view render(const Ask& ask, const Channel& channel);

  Loop& loop_;
  Listener& listener_;
  std::vector<std::vector<boost::asio::ip::tcp::endpoint>> nodes_;
  std::vector<std::string> hosts_;
  const std::uint32_t value_bytes_;
  const std::uint32_t first_address_;
  std::vector<Channel> channels_;
  std::array<char, 64 * 1024> input_;
  std::string output_;
};

// An answer at the beginning of `bytes`, but for what its body tells: how long it is, or
// 0 while it is not whole. Throws std::runtime_error if it is none.
std::size_t parse_answer(std::string_view bytes, Answer& answer);

}  // namespace load
