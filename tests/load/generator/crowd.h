// The users: each comes during the ramp, thinks, acts, thinks again, ends its session
// now and then and begins another, and goes to another node when its own is gone.
//
// Open loop (the default): a user means to act at moments that do not depend on how
// quickly it is answered; what it could not begin in time it begins as soon as it
// can, and its latency runs from when it meant to. Closed loop: it thinks after each
// answer.
//
// Threads: the loop's.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <vector>

#include "tests/load/generator/figures.h"
#include "tests/load/generator/ledger.h"
#include "tests/load/generator/prober.h"
#include "tests/load/generator/settings.h"
#include "tests/load/generator/target.h"

namespace load {

class Crowd : public Listener {
 public:
  // `prober` may be null; its users are those after the crowd's.
  Crowd(Loop& loop, const Settings& settings, std::size_t nodes, Ledger& ledger, Figures& figures, Prober* prober);

  // Users come, one after the other, within so many seconds.
  void arrive(Target& target, double ramp_s);
  // From now on users think so long on average; those who think are hurried or held.
  void set_think(double seconds);
  // What is meant to happen from now on counts; or no longer does.
  void begin_measuring();
  void end_measuring();
  // Nobody begins anything any more.
  void stop();
  // To be called about once a second: gives up what has taken too long.
  void look_after_the_slow();
  // After stop(): what still has no answer is an error.
  void give_up();

  std::size_t connected() const { return connected_; }
  // How many have been connected at least once.
  std::size_t arrived() const { return arrived_; }
  std::size_t asking() const { return asking_; }
  const std::vector<bool>& was_gone() const { return was_gone_; }

  void connected(UserNumber user) override;
  void answered(UserNumber user, const Answer& answer) override;
  void lost(UserNumber user, Loss loss) override;

 private:
  enum class State : std::uint8_t { kAbsent, kConnecting, kIdle, kAsking };
  struct User {
    std::int64_t intended_ns = 0;  // when it means, or meant, to act
    std::int64_t sent_ns = 0;
    std::uint64_t token = 0;     // of the write under way
    std::uint64_t expected = 0;  // the newest write that a read should show
    std::uint64_t seen_etag = 0;
    std::uint32_t seen_key = 0;  // what it read last, with that tag
    std::uint32_t key = 0;
    std::uint8_t node = 0;
    Operation operation = Operation::kRead;
    State state = State::kAbsent;
    bool has_come = false;  // or is on its way for the first time
    bool has_arrived = false;
    bool wants = false;   // to act as soon as it can
    bool is_due = false;  // stands in due_
  };
  struct Due {
    std::int64_t at_ns;
    UserNumber user;
    bool operator<(const Due& other) const { return at_ns > other.at_ns; }  // the earliest on top
  };

  void schedule(UserNumber number, std::int64_t at_ns);
  void arm();
  void run_due();
  void due(UserNumber number, std::int64_t at_ns);
  void queue_connect(UserNumber number);
  void connect_waiting();
  void act(UserNumber number);
  Ask decide(User& user);
  // Whether it was answered; else it was an error.
  bool settle_read(User& user, const Answer& answer);
  bool settle_write(User& user, const Answer& answer);
  bool is_error(const User& user, const Answer& answer);
  bool is_measured(const User& user) const {
    return user.intended_ns >= measure_from_ns_ && user.intended_ns < measure_until_ns_;
  }
  std::int64_t thinking_ns();

  const Settings& settings_;
  const std::size_t nodes_;
  Ledger& ledger_;
  Figures& figures_;
  Prober* prober_;
  Target* target_ = nullptr;
  std::mt19937_64 random_;
  KeyChooser keys_;
  double think_s_;

  std::vector<User> users_;
  std::vector<Due> due_;  // a heap
  boost::asio::steady_timer timer_;
  std::int64_t armed_ns_ = std::numeric_limits<std::int64_t>::max();
  std::deque<UserNumber> to_connect_;
  std::vector<UserNumber> to_retry_;
  std::size_t connecting_ = 0, connected_ = 0, arrived_ = 0, asking_ = 0;
  std::vector<bool> was_gone_;
  std::int64_t measure_from_ns_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t measure_until_ns_ = std::numeric_limits<std::int64_t>::max();
  bool stopped_ = false;
};

}  // namespace load
