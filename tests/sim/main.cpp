// sim: runs simulated colonies, seed after seed, until one goes wrong.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>

#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace {

using namespace colony::sim;

// For the last words of a broken invariant, which ends the process.
thread_local std::uint64_t seed_at_work = 0;

void on_abort(int signal) {
  char line[64];
  const int size = std::snprintf(line, sizeof line, "sim: seed %llu ended by signal %d\n",
                                 static_cast<unsigned long long>(seed_at_work), signal);
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line, static_cast<std::size_t>(size));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

class Run {
 public:
  Run(std::uint64_t first, std::uint64_t count, CaptureChoice capture)
      : capture_(capture), next_(first), end_(first + count) {}

  void work() {
    for (std::uint64_t seed = next_++; seed < end_ && !failed_; seed = next_++) {
      seed_at_work = seed;
      Plan plan;
      plan.seed = seed;
      plan.capture = capture_;
      Transcript none(false);
      if (Simulation(plan, none).run()) report(plan);
      ++done_;
      tell_progress();
    }
  }
  bool failed() const { return failed_; }

 private:
  void report(const Plan& plan) {
    const std::lock_guard lock(mutex_);
    if (failed_.exchange(true)) return;
    const Shrunk shrunk = shrink(plan);
    for (const std::string& line : shrunk.transcript) std::cout << line << "\n";
    std::cout << "seed " << plan.seed << ", " << shrunk.steps_left << " steps left of " << shrunk.steps << ":\n"
              << shrunk.failure << "\n";
  }

  void tell_progress() {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < std::chrono::seconds(10)) return;
    told_ = now;
    std::cerr << "sim: " << done_ << " seeds done\n";
  }

  const CaptureChoice capture_;
  std::atomic<std::uint64_t> next_;
  std::uint64_t end_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1, seeds = 100;
  unsigned threads = 2;
  bool verbose = false;
  CaptureChoice capture = CaptureChoice::kSession;
  CLI::App app("Runs simulated colonies and judges them.");
  app.add_option("--seeds", seeds, "How many")->capture_default_str();
  app.add_option("--seed", first, "The first of them")->capture_default_str();
  app.add_option("--threads", threads, "At once")->capture_default_str()->check(CLI::Range(1, 64));
  const std::map<std::string, CaptureChoice> choices = {
      {"session", CaptureChoice::kSession}, {"wal", CaptureChoice::kWal}, {"mixed", CaptureChoice::kMixed}};
  app.add_option("--capture", capture, "How nodes capture: session, wal, or mixed")
      ->transform(CLI::CheckedTransformer(choices));
  app.add_flag("--verbose", verbose, "Show what happens, step by step, in one seed");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);

  if (verbose) {
    Plan plan;
    plan.seed = first;
    plan.capture = capture;
    Transcript transcript(true);
    const auto failure = Simulation(plan, transcript).run();
    for (const std::string& line : transcript.lines()) std::cout << line << "\n";
    std::cout << (failure ? *failure : "passed") << "\n";
    return failure ? 1 : 0;
  }
  Run run(first, seeds, capture);
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < threads; ++i) workers.emplace_back([&] { run.work(); });
  for (std::thread& worker : workers) worker.join();
  if (run.failed()) return 1;
  std::cout << "sim: " << seeds << " seeds passed\n";
  return 0;
}
