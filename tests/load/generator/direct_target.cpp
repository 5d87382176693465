#include "tests/load/generator/direct_target.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

namespace load {

namespace asio = boost::asio;

DirectTarget::DirectTarget(asio::io_context& loop, Listener& listener, const std::vector<WorkerProcess>& workers,
                           std::size_t users, std::uint32_t value_bytes)
    : loop_(loop), listener_(listener), value_bytes_(value_bytes), users_(users) {
  for (const WorkerProcess& worker : workers) {
    nodes_.push_back(std::make_unique<Node>(loop));
    nodes_.back()->socket.assign(asio::local::stream_protocol(), worker.socket);
    receive(*nodes_.back());
  }
}

void DirectTarget::connect(UserNumber user, std::uint8_t node) {
  users_[user].node = node;
  asio::post(loop_, [this, user, life = users_[user].life] {
    User& mine = users_[user];
    if (mine.life != life) return;
    mine.is_connected = !nodes_[mine.node]->is_gone;
    mine.is_connected ? listener_.connected(user) : listener_.lost(user, Loss::kConnect);
  });
}

void DirectTarget::close(UserNumber user) {
  ++users_[user].life;
  users_[user].is_connected = false;
}

void DirectTarget::send(UserNumber user, const Ask& ask) {
  Node& node = *nodes_[users_[user].node];
  const DirectAsk direct{ask.token, ask.etag, user, ask.key, static_cast<std::uint32_t>(ask.operation), value_bytes_};
  node.waiting.append(reinterpret_cast<const char*>(&direct), sizeof direct);
  if (node.sending.empty()) send_waiting(node);
}

void DirectTarget::send_waiting(Node& node) {
  node.sending.swap(node.waiting);
  if (node.sending.empty() || node.is_gone) return;
  asio::async_write(node.socket, asio::buffer(node.sending),
                    [this, &node](const boost::system::error_code& error, std::size_t) {
                      node.sending.clear();
                      if (!error) send_waiting(node);
                    });
}

void DirectTarget::receive(Node& node) {
  node.socket.async_read_some(asio::buffer(node.input),
                              [this, &node](const boost::system::error_code& error, std::size_t count) {
                                if (error == asio::error::operation_aborted) return;
                                if (error) return lose(node);
                                node.received.append(node.input.data(), count);
                                take(node);
                                receive(node);
                              });
}

void DirectTarget::take(Node& node) {
  std::size_t at = 0;
  for (; at + sizeof(DirectAnswer) <= node.received.size(); at += sizeof(DirectAnswer)) {
    DirectAnswer direct;
    std::memcpy(&direct, node.received.data() + at, sizeof direct);
    if (!users_[direct.user].is_connected) continue;
    listener_.answered(
        direct.user,
        {direct.status, direct.etag, direct.committed_ns, {direct.token, direct.value_bytes}, direct.is_expected != 0});
  }
  node.received.erase(0, at);
}

void DirectTarget::lose(Node& node) {
  node.is_gone = true;
  for (UserNumber user = 0; user < users_.size(); ++user) {
    if (nodes_[users_[user].node].get() != &node || !users_[user].is_connected) continue;
    close(user);
    listener_.lost(user, Loss::kConnection);
  }
}

}  // namespace load
