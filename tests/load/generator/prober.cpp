#include "tests/load/generator/prober.h"

#include <algorithm>

namespace load {

Prober::Prober(boost::asio::io_context& loop, Visibility& visibility, UserNumber first_user, std::size_t nodes,
               double probes_per_s, std::uint64_t before_first)
    : timer_(loop),
      visibility_(visibility),
      first_user_(first_user),
      interval_(static_cast<std::int64_t>(1e9 / (probes_per_s * static_cast<double>(nodes)))),
      nodes_(nodes, Node{State::kAway, before_first}) {}

void Prober::start(Target& target) {
  target_ = &target;
  timer_.expires_after(interval_);
  tick();
}

void Prober::stop() {
  target_ = nullptr;
  timer_.cancel();
}

// Nodes take turns, so that probes do not come in bunches.
void Prober::tick() {
  if (target_ == nullptr) return;
  probe(static_cast<std::uint8_t>(turn_++ % nodes_.size()));
  timer_.expires_at(std::max(timer_.expiry() + interval_, std::chrono::steady_clock::now()));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Prober::probe(std::uint8_t node) {
  Node& mine = nodes_[node];
  const auto user = static_cast<UserNumber>(first_user_ + node);
  if (mine.state == State::kAway && ++ticks_ % 10 == 1) {
    mine.state = State::kConnecting;
    target_->connect(user, node);
  }
  if (mine.state != State::kIdle) return;
  mine.state = State::kAsking;
  Ask ask;
  ask.operation = Operation::kProbe;
  ask.key = node;
  ask.token = ++mine.number;
  visibility_.sent(node, mine.number);
  target_->send(user, ask);
}

void Prober::answered(std::size_t node, const Answer& answer) {
  Node& mine = nodes_[node];
  mine.state = State::kIdle;
  if (answer.status == 200) {
    visibility_.committed(static_cast<std::uint8_t>(node), mine.number, answer.committed_ns);
  } else {
    visibility_.failed(static_cast<std::uint8_t>(node), mine.number);
  }
}

void Prober::lost(std::size_t node) {
  if (nodes_[node].state == State::kAsking) visibility_.failed(static_cast<std::uint8_t>(node), nodes_[node].number);
  nodes_[node].state = State::kAway;
}

}  // namespace load
