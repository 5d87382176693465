#include "tests/bench/rounds.h"

#include <spdlog/fmt/fmt.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace colony::bench {
namespace {

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

}  // namespace

Summary summarize(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

double percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

std::int64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }

Spent& Spent::operator+=(const Spent& more) {
  seconds += more.seconds;
  cpu_seconds += more.cpu_seconds;
  return *this;
}

Spent spent_on(const std::function<void()>& work) {
  const std::int64_t begin = now_ns();
  const std::int64_t cpu_begin = read_clock(CLOCK_THREAD_CPUTIME_ID);
  work();
  const std::int64_t cpu_end = read_clock(CLOCK_THREAD_CPUTIME_ID);
  return {static_cast<double>(now_ns() - begin) / 1e9, static_cast<double>(cpu_end - cpu_begin) / 1e9};
}

RoundRates take_turns(const std::string& title, int rounds, std::size_t variants,
                      const std::function<void(int round)>& before_round,
                      const std::function<double(std::size_t variant)>& measure) {
  RoundRates rates(variants);
  for (int round = 0; round < rounds; ++round) {
    show_progress(fmt::format("{}: round {} of {}", title, round + 1, rounds));
    before_round(round);
    for (std::size_t turn = 0; turn < variants; ++turn) {
      const std::size_t variant = (turn + static_cast<std::size_t>(round)) % variants;
      rates[variant].push_back(measure(variant));
    }
  }
  show_progress("");
  return rates;
}

Summary ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return summarize(std::move(ratios));
}

void show_progress(const std::string& text) {
  static const bool on_terminal = isatty(STDERR_FILENO) != 0;
  if (!on_terminal) return;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

}  // namespace colony::bench
