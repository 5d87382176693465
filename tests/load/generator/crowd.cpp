#include "tests/load/generator/crowd.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "tests/load/metad/write_queue.h"

namespace load {

using metad::monotonic_ns;

namespace {

// A listener's queue is short: who calls too many at once waits for seconds.
constexpr std::size_t kConnectingMax = 256;

}  // namespace

Crowd::Crowd(Loop& loop, const Settings& settings, std::size_t nodes, Ledger& ledger, Figures& figures, Prober* prober)
    : settings_(settings),
      nodes_(nodes),
      ledger_(ledger),
      figures_(figures),
      prober_(prober),
      random_(settings.seed),
      keys_(settings.dataset.keys, settings.skew),
      think_s_(settings.think_s),
      users_(settings.users),
      timer_(loop),
      was_gone_(nodes) {
  due_.reserve(users_.size());
}

void Crowd::arrive(Target& target, double ramp_s) {
  target_ = &target;
  const std::int64_t now_ns = monotonic_ns();
  const double apart_ns = ramp_s * 1e9 / static_cast<double>(users_.size());
  for (UserNumber number = 0; number < users_.size(); ++number) {
    users_[number].node = static_cast<std::uint8_t>(number % nodes_);
    schedule(number, now_ns + static_cast<std::int64_t>(apart_ns * number));
  }
}

// Pauses between independent actions are distributed like this, and have no memory.
std::int64_t Crowd::thinking_ns() {
  if (think_s_ <= 0) return 0;
  return static_cast<std::int64_t>(std::exponential_distribution<>(1 / think_s_)(random_) * 1e9);
}

void Crowd::set_think(double seconds) {
  const std::int64_t now_ns = monotonic_ns();
  const double ratio = seconds / think_s_;
  think_s_ = seconds;
  for (Due& due : due_) {
    if (due.at_ns > now_ns)
      due.at_ns = now_ns + static_cast<std::int64_t>(static_cast<double>(due.at_ns - now_ns) * ratio);
  }
  std::make_heap(due_.begin(), due_.end());
  armed_ns_ = std::numeric_limits<std::int64_t>::max();
  arm();
}

void Crowd::begin_measuring() { measure_from_ns_ = monotonic_ns(); }
void Crowd::end_measuring() { measure_until_ns_ = monotonic_ns(); }

void Crowd::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Crowd::schedule(UserNumber number, std::int64_t at_ns) {
  users_[number].is_due = true;
  due_.push_back({at_ns, number});
  std::push_heap(due_.begin(), due_.end());
  arm();
}

void Crowd::arm() {
  if (due_.empty() || stopped_ || due_.front().at_ns >= armed_ns_) return;
  armed_ns_ = due_.front().at_ns;
  timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(armed_ns_)));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) run_due();
  });
}

void Crowd::run_due() {
  armed_ns_ = std::numeric_limits<std::int64_t>::max();
  const std::int64_t now_ns = monotonic_ns();
  // Not all at once when many are late: answers that have come want to be read, too.
  for (int n = 0; n < 64 && !stopped_ && !due_.empty() && due_.front().at_ns <= now_ns; ++n) {
    const Due first = due_.front();
    std::pop_heap(due_.begin(), due_.end());
    due_.pop_back();
    users_[first.user].is_due = false;
    due(first.user, first.at_ns);
  }
  arm();
}

void Crowd::due(UserNumber number, std::int64_t at_ns) {
  User& user = users_[number];
  if (user.has_come) {
    user.intended_ns = at_ns;
    user.wants = true;
  }
  if (user.state == State::kIdle) return act(number);
  if (user.state == State::kAbsent) queue_connect(number);
  user.has_come = true;
}

void Crowd::queue_connect(UserNumber number) {
  users_[number].state = State::kConnecting;
  to_connect_.push_back(number);
  connect_waiting();
}

void Crowd::connect_waiting() {
  while (!stopped_ && connecting_ < kConnectingMax && !to_connect_.empty()) {
    const UserNumber number = to_connect_.front();
    to_connect_.pop_front();
    ++connecting_;
    target_->connect(number, users_[number].node);
  }
}

void Crowd::connected(UserNumber number) {
  if (number >= users_.size()) return prober_->connected(number - users_.size());
  User& user = users_[number];
  user.state = State::kIdle;
  --connecting_;
  ++connected_;
  if (!std::exchange(user.has_arrived, true)) ++arrived_;
  connect_waiting();
  if (user.wants) {
    act(number);
  } else if (!user.is_due) {
    // In an open loop, what it gave up has delayed nothing.
    const bool goes_on = settings_.open_loop && user.intended_ns != 0;
    schedule(number, (goes_on ? user.intended_ns : monotonic_ns()) + thinking_ns());
  }
}

Ask Crowd::decide(User& user) {
  user.operation = choose(settings_.mix, random_);
  // Who compares compares with what it has read.
  if (user.operation == Operation::kCompareAndSet && user.seen_etag == 0) user.operation = Operation::kRead;
  Ask ask;
  ask.operation = user.operation;
  user.key = user.operation == Operation::kCompareAndSet ? user.seen_key
             : user.operation == Operation::kList
                 ? static_cast<std::uint32_t>(random_() % std::max(settings_.dataset.objects / kSetSize, 1U))
                 : keys_(random_);
  ask.key = user.key;
  ask.etag = user.seen_etag;
  if (is_write(user.operation)) user.seen_etag = 0;
  return ask;
}

void Crowd::act(UserNumber number) {
  if (stopped_) return;
  User& user = users_[number];
  user.wants = false;
  user.state = State::kAsking;
  ++asking_;
  Ask ask = decide(user);
  user.sent_ns = monotonic_ns();
  if (is_write(user.operation)) {
    ask.token = user.token = ledger_.sent(user.operation, user.key, user.node, user.sent_ns);
  } else {
    user.expected = ledger_.latest(user.key % settings_.dataset.keys);
  }
  target_->send(number, ask);
}

// What was answered is no success; says so in the figures.
bool Crowd::is_error(const User& user, const Answer& answer) {
  if (answer.status == 200) return false;
  figures_.error(fmt::format("{} answered {}", name_of(user.operation), answer.status), is_measured(user));
  return true;
}

bool Crowd::settle_read(User& user, const Answer& answer) {
  const bool measured = is_measured(user);
  if (is_error(user, answer)) return false;
  if (user.operation == Operation::kList) {
    if (!answer.is_expected) figures_.wrong_answer("a list that is not of the set's objects", measured);
    return answer.is_expected;
  }
  if (!ledger_.is_given(user.key, answer.content)) {
    figures_.wrong_answer("a value that nobody wrote", measured);
    return false;
  }
  user.seen_key = user.key;
  user.seen_etag = answer.etag;
  if (measured) {
    ++figures_.totals().value_reads;
    if (answer.content.token < user.expected) ++figures_.totals().stale_reads;
  }
  return true;
}

bool Crowd::settle_write(User& user, const Answer& answer) {
  if (answer.status == 200) {
    ledger_.acknowledged(user.token, monotonic_ns());
    return true;
  }
  ledger_.refused(user.token);
  if (answer.status == 412 && user.operation == Operation::kCompareAndSet) {
    if (is_measured(user)) ++figures_.totals().conditions_refused;
    return true;
  }
  return !is_error(user, answer);
}

void Crowd::answered(UserNumber number, const Answer& answer) {
  if (number >= users_.size()) return prober_->answered(number - users_.size(), answer);
  User& user = users_[number];
  if (user.state != State::kAsking) return;
  user.state = State::kIdle;
  --asking_;
  const std::int64_t now_ns = monotonic_ns();
  const bool was_answered = is_write(user.operation) ? settle_write(user, answer) : settle_read(user, answer);
  if (was_answered) figures_.answered(user.operation, now_ns - user.intended_ns, is_measured(user));
  if (stopped_) return;
  if (settings_.session_actions > 0 && std::uniform_real_distribution<>(0, settings_.session_actions)(random_) < 1) {
    target_->close(number);
    user.state = State::kAbsent;
    user.seen_etag = 0;
    --connected_;
    ++figures_.totals().sessions;
  }
  schedule(number, (settings_.open_loop ? user.intended_ns : now_ns) + thinking_ns());
}

void Crowd::lost(UserNumber number, Loss loss) {
  if (number >= users_.size()) return prober_->lost(number - users_.size());
  User& user = users_[number];
  const bool was_asking = user.state == State::kAsking;
  if (user.state == State::kConnecting) {
    --connecting_;
  } else {
    --connected_;
  }
  if (was_asking) {
    --asking_;
    user.wants = true;  // what it meant to do it does elsewhere
    if (is_write(user.operation)) ++figures_.totals().unknown_writes;
  }
  user.state = State::kAbsent;
  was_gone_[user.node] = true;
  if (stopped_) return;
  const bool measured = was_asking ? is_measured(user) : measure_from_ns_ <= monotonic_ns();
  if (loss == Loss::kProtocol) {
    figures_.wrong_answer("no HTTP answer", measured);
  } else if (!settings_.may_lose_node) {
    figures_.error(loss == Loss::kConnect ? "cannot connect" : "connection lost", measured);
  }
  if (nodes_ > 1) {
    user.node = static_cast<std::uint8_t>((user.node + 1 + random_() % (nodes_ - 1)) % nodes_);
    ++figures_.totals().moves;
  }
  if (loss == Loss::kConnect) {
    user.state = State::kConnecting;
    to_retry_.push_back(number);
  } else {
    queue_connect(number);
  }
  connect_waiting();
}

void Crowd::look_after_the_slow() {
  to_connect_.insert(to_connect_.end(), to_retry_.begin(), to_retry_.end());
  to_retry_.clear();
  connect_waiting();
  const std::int64_t before_ns = monotonic_ns() - static_cast<std::int64_t>(settings_.timeout_s * 1e9);
  for (UserNumber number = 0; number < users_.size() && !stopped_; ++number) {
    User& user = users_[number];
    if (user.state != State::kAsking || user.sent_ns > before_ns) continue;
    figures_.error(fmt::format("{} not answered in {} s", name_of(user.operation), settings_.timeout_s),
                   is_measured(user));
    if (is_write(user.operation)) ++figures_.totals().unknown_writes;
    --asking_;
    --connected_;
    target_->close(number);
    queue_connect(number);
  }
}

void Crowd::give_up() {
  for (User& user : users_) {
    if (user.state != State::kAsking) continue;
    figures_.error(fmt::format("{} not answered at the end", name_of(user.operation)), is_measured(user));
    if (is_write(user.operation)) ++figures_.totals().unknown_writes;
  }
}

}  // namespace load
