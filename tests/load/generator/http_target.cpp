#include "tests/load/generator/http_target.h"

#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <stdexcept>

namespace load {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Loopback's 127.0.0.2 and up: enough users for one address, far from what it has ports for.
constexpr std::uint32_t kUsersPerAddress = 20'000;

bool begins_with(std::string_view line, std::string_view lower_case_name) {
  if (line.size() < lower_case_name.size()) return false;
  for (std::size_t i = 0; i < lower_case_name.size(); ++i) {
    const char c = line[i] >= 'A' && line[i] <= 'Z' ? static_cast<char>(line[i] + 32) : line[i];
    if (c != lower_case_name[i]) return false;
  }
  return true;
}

template <class Number>
Number number_in(std::string_view text, int base = 10) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '"')) text.remove_prefix(1);
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

}  // namespace

std::size_t parse_answer(std::string_view bytes, Answer& answer) {
  const std::size_t header_end = bytes.find("\r\n\r\n");
  if (header_end == bytes.npos) {
    if (bytes.size() > 16 * 1024) throw std::runtime_error("a header without an end");
    return 0;
  }
  if (bytes.substr(0, 9) != "HTTP/1.1 ") throw std::runtime_error("no HTTP/1.1 answer");
  answer = Answer();
  answer.status = number_in<unsigned>(bytes.substr(9, 3));
  std::size_t length = 0;
  std::string_view rest = bytes.substr(0, header_end);
  for (std::size_t end = rest.find("\r\n"); end != rest.npos; end = rest.find("\r\n")) {
    rest.remove_prefix(end + 2);
    if (begins_with(rest, "content-length:")) {
      length = number_in<std::size_t>(rest.substr(15));
    } else if (begins_with(rest, "etag:")) {
      answer.etag = number_in<std::uint64_t>(rest.substr(5), 16);
    } else if (begins_with(rest, "metad-committed-ns:")) {
      answer.committed_ns = number_in<std::int64_t>(rest.substr(19));
    }
  }
  if (bytes.size() < header_end + 4 + length) return 0;
  answer.body = bytes.substr(header_end + 4, length);
  return header_end + 4 + length;
}

HttpTarget::HttpTarget(Loop& loop, Listener& listener, const std::vector<HttpNode>& nodes, std::size_t users,
                       std::uint32_t value_bytes, unsigned process)
    : loop_(loop), listener_(listener), value_bytes_(value_bytes), first_address_(0x7f000002U + process * 256) {
  for (const HttpNode& node : nodes) {
    nodes_.emplace_back();
    for (const std::uint16_t port : node.ports) nodes_.back().emplace_back(asio::ip::make_address(node.address), port);
    hosts_.push_back(fmt::format("{}:{}", node.address, node.ports.front()));
  }
  channels_.reserve(users);
  for (std::size_t user = 0; user < users; ++user) channels_.emplace_back(loop);
}

void HttpTarget::connect(UserNumber user, std::uint8_t node) {
  Channel& channel = channels_[user];
  channel.node = node;
  const tcp::endpoint& server = nodes_[node][user / nodes_.size() % nodes_[node].size()];
  boost::system::error_code error;
  channel.socket.open(server.protocol(), error);
  if (!error && server.address().is_loopback() && server.address().is_v4()) {
    // The port is chosen at connect(), so that each server has all of them.
    const int yes = 1;
    setsockopt(channel.socket.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    const std::uint32_t address = first_address_ + user / kUsersPerAddress;
    channel.socket.bind({asio::ip::address_v4(address), 0}, error);
  }
  if (error) {
    asio::post(loop_, [this, user, life = channel.life] {
      if (channels_[user].life == life) lose(user, Loss::kConnect);
    });
    return;
  }
  channel.socket.async_connect(server, [this, user, life = channel.life](const boost::system::error_code& failed) {
    Channel& mine = channels_[user];
    if (mine.life != life) return;
    if (failed) return lose(user, Loss::kConnect);
    boost::system::error_code ignored;
    mine.socket.set_option(tcp::no_delay(true), ignored);
    mine.socket.native_non_blocking(true, ignored);
    // When it ends nothing is left to be said, and its port is to be free at once.
    mine.socket.set_option(asio::socket_base::linger(true, 0), ignored);
    await(user);
    listener_.connected(user);
  });
}

void HttpTarget::close(UserNumber user) {
  Channel& channel = channels_[user];
  ++channel.life;
  std::string().swap(channel.partial);
  boost::system::error_code ignored;
  channel.socket.close(ignored);
}

void HttpTarget::lose(UserNumber user, Loss loss) {
  close(user);
  listener_.lost(user, loss);
}

std::string_view HttpTarget::render(const Ask& ask, const Channel& channel) {
  output_.clear();
  const auto out = std::back_inserter(output_);
  const auto put = [&](const std::string& content) {
    fmt::format_to(out, "Content-Length: {}\r\n\r\n{}", content.size(), content);
  };
  const std::string& host = hosts_[channel.node];
  switch (ask.operation) {
    case Operation::kRead:
      fmt::format_to(out, "GET /kv/{}/{} HTTP/1.1\r\nHost: {}\r\n\r\n", kSpace, key_name(ask.key), host);
      break;
    case Operation::kList:
      fmt::format_to(out, "GET /objects?prefix={}&limit={} HTTP/1.1\r\nHost: {}\r\n\r\n", set_prefix(ask.key), kSetSize,
                     host);
      break;
    case Operation::kWrite:
      fmt::format_to(out, "PUT /kv/{}/{} HTTP/1.1\r\nHost: {}\r\n", kSpace, key_name(ask.key), host);
      put(value_of(ask.token, value_bytes_));
      break;
    case Operation::kCompareAndSet:
      fmt::format_to(out, "PUT /kv/{}/{} HTTP/1.1\r\nHost: {}\r\nIf-Match: \"{:016x}\"\r\n", kSpace, key_name(ask.key),
                     host, ask.etag);
      put(value_of(ask.token, value_bytes_));
      break;
    case Operation::kAddObject: {
      const metad::PutObject object = added_object(ask.token, channel.node);
      const metad::Placement& placement = object.placements.front();
      fmt::format_to(out, "PUT /objects/{} HTTP/1.1\r\nHost: {}\r\n", object.key, host);
      put(fmt::format(R"({{"size":{},"sha256":"{}","owner":"{}",)"
                      R"("placements":[{{"node":"{}","url":"{}","state":"{}"}}]}})",
                      object.size, object.sha256, object.owner, placement.node, placement.url, placement.state));
      break;
    }
    case Operation::kProbe:
      fmt::format_to(out, "PUT /kv/{}/n{} HTTP/1.1\r\nHost: {}\r\n", kProbeSpace, ask.key, host);
      put(fmt::format("{} ", ask.token));
      break;
  }
  return output_;
}

void HttpTarget::send(UserNumber user, const Ask& ask) {
  Channel& channel = channels_[user];
  channel.operation = ask.operation;
  channel.key = ask.key;
  const std::string_view bytes = render(ask, channel);
  const ssize_t count = ::send(channel.socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  // A request is far smaller than what a socket takes: the connection is broken.
  if (count != static_cast<ssize_t>(bytes.size())) {
    asio::post(loop_, [this, user, life = channel.life] {
      if (channels_[user].life == life) lose(user, Loss::kConnection);
    });
  }
}

void HttpTarget::await(UserNumber user) {
  Channel& channel = channels_[user];
  channel.socket.async_wait(Socket::wait_read,
                            [this, user, life = channel.life](const boost::system::error_code& error) {
                              if (channels_[user].life != life) return;
                              if (error) return lose(user, Loss::kConnection);
                              receive(user);
                            });
}

void HttpTarget::receive(UserNumber user) {
  Channel& channel = channels_[user];
  const ssize_t count = ::recv(channel.socket.native_handle(), input_.data(), input_.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return await(user);
  if (count <= 0) return lose(user, Loss::kConnection);
  std::string_view bytes(input_.data(), static_cast<std::size_t>(count));
  if (!channel.partial.empty()) bytes = channel.partial.append(bytes);
  Answer answer;
  std::size_t length = 0;
  try {
    length = parse_answer(bytes, answer);
  } catch (const std::exception&) {
    return lose(user, Loss::kProtocol);
  }
  if (length == 0) {
    if (channel.partial.empty()) channel.partial.assign(bytes);
    return await(user);
  }
  // More than was asked for is no answer to anything.
  if (length != bytes.size()) return lose(user, Loss::kProtocol);
  if (channel.operation == Operation::kRead) answer.content = content_of(answer.body);
  if (channel.operation == Operation::kList) answer.is_expected = is_list_of(answer.body, channel.key);
  const std::string kept = std::move(channel.partial);  // the body may lie in it
  channel.partial = std::string();
  await(user);
  listener_.answered(user, answer);
}

}  // namespace load
