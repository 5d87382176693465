#include "tests/load/generator/run.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "tests/load/generator/crowd.h"
#include "tests/load/generator/direct_target.h"
#include "tests/load/generator/http_target.h"
#include "tests/load/generator/knee.h"
#include "tests/load/generator/report.h"
#include "tests/load/generator/rows.h"
#include "tests/load/metad/write_queue.h"

namespace load {
namespace {

using metad::monotonic_ns;
using nlohmann::json;

// Larger than any number that a run before this one has given.
std::uint64_t number_of_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count()) * 1000;
}

// How far apart writes on two nodes are in order: see ledger.h.
constexpr std::int64_t kOrderNs = 30'000'000'000;

class Run {
 public:
  Run(const Settings& settings, const std::vector<WorkerProcess>& workers, const std::vector<WorkerProcess>& relays)
      : settings_(settings),
        nodes_(settings.direct.empty() ? settings.nodes.size() : settings.direct.size()),
        files_(settings.direct.empty() ? settings.files : settings.direct),
        ledger_(settings.dataset.keys, settings.dataset.value_bytes, number_of_now()),
        knee_(settings.knee.limit_ms),
        tick_(loop_),
        signals_(loop_, SIGINT, SIGTERM) {
    if (nodes_ > 1 && files_.size() == nodes_ && settings.probes_per_s > 0) {
      visibility_ = std::make_unique<Visibility>(files_);
      prober_ =
          std::make_unique<Prober>(loop_, *visibility_, settings.users, nodes_, settings.probes_per_s, number_of_now());
    }
    crowd_ = std::make_unique<Crowd>(loop_, settings, nodes_, ledger_, figures_, prober_.get());
    const std::size_t users = settings.users + nodes_;
    if (!relays.empty()) {
      target_ = std::make_unique<RelayTarget>(loop_, *crowd_, relays, users);
    } else if (settings.direct.empty()) {
      target_ = std::make_unique<HttpTarget>(loop_, *crowd_, settings.nodes, users, settings.dataset.value_bytes);
    } else {
      target_ = std::make_unique<DirectTarget>(loop_, *crowd_, workers, users, settings.dataset.value_bytes);
    }
    for (const auto& [name, pid_file] : settings.processes) usage_.watch(name, pid_file);
    usage_.watch_self("colony-load");
    for (const WorkerProcess& relay : relays) usage_.watch_pid("its connections", relay.pid);
  }

  json go() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) interrupted_ = true;
    });
    begin_ns_ = monotonic_ns();
    tick();
    arrive();
    settings_.find_knee ? find_knee() : measure();
    drain();
    return verdict();
  }

 private:
  void pass(double seconds) {
    const std::int64_t end_ns = monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9);
    while (!interrupted_ && monotonic_ns() < end_ns) {
      loop_.run_for(std::chrono::nanoseconds(std::min<std::int64_t>(end_ns - monotonic_ns(), 100'000'000)));
    }
  }

  void arrive() {
    doing_ = "users come";
    if (prober_) prober_->start(*target_);
    crowd_->arrive(*target_, settings_.ramp_s);
    pass(settings_.ramp_s);
    // Those whose connection took longer.
    const std::int64_t end_ns = monotonic_ns() + 60'000'000'000;
    while (!interrupted_ && crowd_->arrived() < settings_.users && monotonic_ns() < end_ns) pass(0.1);
    if (!interrupted_ && crowd_->connected() == 0)
      throw std::runtime_error("nobody could connect: do the services run?");
    arrived_ = crowd_->arrived();
    doing_ = "warming up";
    pass(settings_.warm_up_s);
  }

  // Gives the errors of what happened before, which otherwise does not count.
  std::uint64_t begin_measuring() {
    const std::uint64_t errors = figures_.end_part(0).error_count();
    crowd_->begin_measuring();
    measured_ = true;
    if (!settings_.measuring_file.empty()) std::ofstream(settings_.measuring_file) << monotonic_ns() << '\n';
    return errors;
  }

  void measure() {
    doing_ = "measuring";
    begin_measuring();
    const std::int64_t from_ns = monotonic_ns();
    pass(settings_.seconds);
    crowd_->end_measuring();
    measured_s_ = static_cast<double>(monotonic_ns() - from_ns) / 1e9;
  }

  void find_knee() {
    double rate = settings_.users / settings_.think_s;
    std::uint64_t others = 0;
    for (unsigned step = 0; step < settings_.knee.steps_max && !interrupted_; ++step, rate *= settings_.knee.factor) {
      doing_ = fmt::format("{:.0f}/s", rate);
      crowd_->set_think(settings_.users / rate);
      pass(1);  // what comes from the rate before
      std::uint64_t late_errors = begin_measuring();
      const std::int64_t from_ns = monotonic_ns();
      pass(settings_.knee.step_s);
      const Totals totals = figures_.end_part(static_cast<double>(monotonic_ns() - from_ns) / 1e9);
      if (interrupted_) break;
      const std::uint64_t before = std::exchange(others, figures_.other_error_count());
      late_errors += others - before;
      if (knee_.note(rate, totals, late_errors)) break;
    }
    crowd_->end_measuring();
  }

  void drain() {
    doing_ = "ending";
    crowd_->stop();
    const std::int64_t end_ns = monotonic_ns() + static_cast<std::int64_t>(settings_.timeout_s * 1e9);
    while (crowd_->asking() > 0 && monotonic_ns() < end_ns) {
      loop_.run_for(std::chrono::milliseconds(20));
    }
    crowd_->give_up();
    if (prober_) {
      prober_->stop();
      loop_.run_for(std::chrono::milliseconds(200));
    }
  }

  NodeRows rows_of(std::size_t node) const {
    const std::uint32_t keys = settings_.dataset.keys;
    return settings_.direct.empty() ? rows_by_http(settings_.nodes[node], keys) : rows_of_file(files_[node], keys);
  }

  // Until all that was acknowledged is everywhere, or for as long as that may take.
  Verdict settle() {
    doing_ = "comparing";
    const std::int64_t begin_ns = monotonic_ns();
    const std::int64_t end_ns = begin_ns + static_cast<std::int64_t>(settings_.settle_s * 1e9);
    while (true) {
      std::string unreadable;
      Verdict found;
      try {
        std::vector<NodeRows> rows;
        for (std::size_t node = 0; node < nodes_; ++node) rows.push_back(rows_of(node));
        found = ledger_.judge(rows, crowd_->was_gone(), kOrderNs);
      } catch (const std::exception& error) {
        unreadable = error.what();
      }
      settled_s_ = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
      if (unreadable.empty() && found.is_good()) return found;
      if (monotonic_ns() > end_ns) {
        if (!unreadable.empty()) throw std::runtime_error(unreadable);
        return found;
      }
      loop_.run_for(std::chrono::milliseconds(500));
    }
  }

  json verdict() {
    const Totals totals = figures_.end_part(measured_s_);
    json report{{"settings", json_of(settings_)},
                {"totals", json_of(totals)},
                {"series", json_of(figures_.series(), usage_.names())},
                {"other_errors", figures_.other_errors()},
                {"arrived", arrived_},
                {"interrupted", interrupted_}};
    // At its knee a service may refuse; it may not lose anything, nor say what is not so.
    bool is_clean = figures_.wrong_answers() == 0 && !interrupted_ && arrived_ == settings_.users;
    if (settings_.find_knee) {
      report["steps"] = knee_.steps();
      report["knee_rate"] = knee_.rate();
      report["knee_end"] = knee_.end();
      is_clean = is_clean && knee_.rate() > 0;
    } else {
      is_clean = is_clean && totals.answers() > 0 && totals.error_count() == 0 && figures_.other_errors().empty();
    }
    try {
      const Verdict found = settle();
      report["verdict"] = json_of(found);
      report["settled_s"] = settled_s_;
      report["ok"] = is_clean && found.is_good();
    } catch (const std::exception& error) {
      report["verdict"] = nullptr;
      report["failure"] = error.what();
      report["ok"] = false;
    }
    end_line();
    return report;
  }

  void tick() {
    tick_.expires_at(
        std::chrono::steady_clock::time_point(std::chrono::nanoseconds(begin_ns_ + ++ticks_ * 1'000'000'000)));
    tick_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      if (visibility_) figures_.visible(visibility_->take(), measured_);
      crowd_->look_after_the_slow();
      Second second;
      second.monotonic_ns = monotonic_ns();
      second.at_s = static_cast<double>(second.monotonic_ns - begin_ns_) / 1e9;
      second.connected = crowd_->connected();
      second.usage = usage_.look();
      figures_.end_second(std::move(second));
      show();
      tick();
    });
  }

  void show() {
    static const bool is_terminal = isatty(STDERR_FILENO) != 0;
    if (!is_terminal && ticks_ % 10 != 0) return;
    const Second& now = figures_.series().back();
    const std::string line = fmt::format(
        "{:4.0f} s  {:<10} {:>6} users {:>6}/s  reads p99 {:.1f} ms  writes p99 {:.1f} ms  visible p99 {:.0f} ms  {} "
        "errors",
        now.at_s, doing_, now.connected, now.answers, now.read_p99_ms, now.write_p99_ms, now.visible_p99_ms,
        now.errors);
    fmt::print(stderr, "{}{}{}", is_terminal ? "\r" : "", line, is_terminal ? "\033[K" : "\n");
    std::fflush(stderr);
    has_line_ = is_terminal;
  }

  void end_line() {
    if (has_line_) std::fputs("\r\033[K", stderr);
    has_line_ = false;
  }

  const Settings& settings_;
  const std::size_t nodes_;
  const std::vector<std::string> files_;
  Loop loop_{1};
  Ledger ledger_;
  Figures figures_;
  KneeSearch knee_;
  ProcessUsage usage_;
  std::unique_ptr<Visibility> visibility_;
  std::unique_ptr<Prober> prober_;
  std::unique_ptr<Crowd> crowd_;
  std::unique_ptr<Target> target_;
  boost::asio::steady_timer tick_;
  boost::asio::signal_set signals_;
  std::int64_t begin_ns_ = 0, ticks_ = 0;
  std::string doing_;
  double measured_s_ = 0, settled_s_ = 0;
  std::size_t arrived_ = 0;
  bool measured_ = false, interrupted_ = false, has_line_ = false;
};

}  // namespace

json run(const Settings& settings, const std::vector<WorkerProcess>& workers,
         const std::vector<WorkerProcess>& relays) {
  return Run(settings, workers, relays).go();
}

}  // namespace load
