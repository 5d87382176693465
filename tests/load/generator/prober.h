// One more user per node, who sets the node's probe row some times a second: see
// visibility.h.
//
// Threads: the loop's.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <vector>

#include "tests/load/generator/target.h"
#include "tests/load/generator/visibility.h"

namespace load {

class Prober {
 public:
  // Its users are those from `first_user` on, one for each node. Probes are numbered
  // after `before_first`, which must be larger than those of former runs.
  Prober(boost::asio::io_context& loop, Visibility& visibility, UserNumber first_user, std::size_t nodes,
         double probes_per_s, std::uint64_t before_first);

  void start(Target& target);
  // A probe that is on its way is still answered.
  void stop();

  void connected(std::size_t node) { nodes_[node].state = State::kIdle; }
  void answered(std::size_t node, const Answer& answer);
  void lost(std::size_t node);

 private:
  enum class State { kAway, kConnecting, kIdle, kAsking };
  struct Node {
    State state = State::kAway;
    std::uint64_t number = 0;
  };

  void tick();
  void probe(std::uint8_t node);

  boost::asio::steady_timer timer_;
  Visibility& visibility_;
  Target* target_ = nullptr;
  const UserNumber first_user_;
  const std::chrono::nanoseconds interval_;
  std::vector<Node> nodes_;
  std::size_t turn_ = 0;
  unsigned ticks_ = 0;
};

}  // namespace load
