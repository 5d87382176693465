// Measuring on a machine that does other things too: the variants take turns in
// short rounds, so that what disturbs one disturbs all, and a ratio is the median
// of the ratios of the single rounds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace colony::bench {

struct Summary {
  double median = 0;
  double min = 0;
  double max = 0;
};
Summary summarize(std::vector<double> values);
double percentile(std::vector<double> values, double percent);

// CLOCK_MONOTONIC: the same in all processes.
std::int64_t now_ns();

struct Spent {
  double seconds = 0;
  double cpu_seconds = 0;  // of this thread, in the kernel too

  Spent& operator+=(const Spent& more);
};
Spent spent_on(const std::function<void()>& work);

// Per variant, what each round gave (rows per second, say).
using RoundRates = std::vector<std::vector<double>>;

// Calls measure(variant) for each variant in each round; the order is another one
// in each round. `title` is for the progress that is shown.
RoundRates take_turns(const std::string& title, int rounds, std::size_t variants,
                      const std::function<void(int round)>& before_round,
                      const std::function<double(std::size_t variant)>& measure);

// a / b, round by round.
Summary ratio(const std::vector<double>& a, const std::vector<double>& b);

// On stderr, if that is a terminal: what is going on. Empty: nothing any more.
void show_progress(const std::string& text);

}  // namespace colony::bench
