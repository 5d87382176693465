// What a run has measured: latencies by operation, errors by kind, and a line for
// every second.
//
// A latency runs from when the user meant to act to when the answer was there: if the
// service (or this program) makes a user wait, the waiting counts (no coordinated
// omission). An error is none, and counts as an error only: quick refusals make a
// service no faster.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/load/generator/histogram.h"
#include "tests/load/generator/process_usage.h"
#include "tests/load/generator/workload.h"

namespace load {

struct Second {
  double at_s = 0;  // since the start
  std::int64_t monotonic_ns = 0;
  std::uint64_t answers = 0, errors = 0, connected = 0;
  double target_rate = 0;
  double read_p50_ms = 0, read_p99_ms = 0, read_max_ms = 0;
  double write_p50_ms = 0, write_p99_ms = 0, write_max_ms = 0;
  double visible_p50_ms = 0, visible_p99_ms = 0, visible_max_ms = 0;
  std::uint64_t visible_count = 0;
  std::vector<Usage> usage;  // by process
};

// Of the measured part of a run, or of one step of it.
struct Totals {
  std::array<Histogram, kOperations> by_operation;
  Histogram reads, writes, visible;
  std::map<std::string, std::uint64_t> errors;
  std::uint64_t conditions_refused = 0;  // of compare-and-sets: no errors
  std::uint64_t value_reads = 0, stale_reads = 0;
  std::uint64_t moves = 0, unknown_writes = 0, sessions = 0;
  double seconds = 0;

  std::uint64_t answers() const { return reads.count() + writes.count(); }
  std::uint64_t error_count() const;
};

class Figures {
 public:
  void answered(Operation operation, std::int64_t latency_ns, bool measured);
  void error(const std::string& kind, bool measured);
  // An error that no load excuses: what was said is not true.
  void wrong_answer(const std::string& kind, bool measured);
  void visible(const Histogram& found, bool measured);

  // Ends a second of the series.
  void end_second(Second second);
  // Ends the measured part, or a step of it, and gives its figures.
  Totals end_part(double seconds);

  Totals& totals() { return totals_; }
  // Before and after what is measured.
  const std::map<std::string, std::uint64_t>& other_errors() const { return other_errors_; }
  std::uint64_t other_error_count() const;
  std::uint64_t wrong_answers() const { return wrong_answers_; }
  const std::vector<Second>& series() const { return series_; }

 private:
  Totals totals_;
  Histogram second_reads_, second_writes_, second_visible_;
  std::uint64_t second_errors_ = 0, wrong_answers_ = 0;
  std::map<std::string, std::uint64_t> other_errors_;
  std::vector<Second> series_;
};

}  // namespace load
