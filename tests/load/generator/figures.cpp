#include "tests/load/generator/figures.h"

namespace load {

namespace {

std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& times_by_kind) {
  std::uint64_t count = 0;
  for (const auto& [kind, times] : times_by_kind) count += times;
  return count;
}

}  // namespace

std::uint64_t Totals::error_count() const { return sum_of(errors); }
std::uint64_t Figures::other_error_count() const { return sum_of(other_errors_); }

void Figures::answered(Operation operation, std::int64_t latency_ns, bool measured) {
  (is_write(operation) ? second_writes_ : second_reads_).record(latency_ns);
  if (!measured) return;
  totals_.by_operation[static_cast<std::size_t>(operation)].record(latency_ns);
  (is_write(operation) ? totals_.writes : totals_.reads).record(latency_ns);
}

void Figures::error(const std::string& kind, bool measured) {
  ++second_errors_;
  ++(measured ? totals_.errors : other_errors_)[kind];
}

void Figures::wrong_answer(const std::string& kind, bool measured) {
  error(kind, measured);
  ++wrong_answers_;
}

void Figures::visible(const Histogram& found, bool measured) {
  second_visible_.add(found);
  if (measured) totals_.visible.add(found);
}

void Figures::end_second(Second second) {
  second.answers = second_reads_.count() + second_writes_.count();
  second.errors = second_errors_;
  second.read_p50_ms = second_reads_.at_ms(0.5);
  second.read_p99_ms = second_reads_.at_ms(0.99);
  second.read_max_ms = second_reads_.at_ms(1);
  second.write_p50_ms = second_writes_.at_ms(0.5);
  second.write_p99_ms = second_writes_.at_ms(0.99);
  second.write_max_ms = second_writes_.at_ms(1);
  second.visible_p50_ms = second_visible_.at_ms(0.5);
  second.visible_p99_ms = second_visible_.at_ms(0.99);
  second.visible_max_ms = second_visible_.at_ms(1);
  second.visible_count = second_visible_.count();
  series_.push_back(std::move(second));
  second_reads_.clear();
  second_writes_.clear();
  second_visible_.clear();
  second_errors_ = 0;
}

Totals Figures::end_part(double seconds) {
  totals_.seconds = seconds;
  Totals part = std::move(totals_);
  totals_ = Totals();
  return part;
}

}  // namespace load
