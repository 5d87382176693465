// How often each duration was met, in buckets whose width grows with the value (an
// HDR histogram): every value is known to better than 1 %, from nanoseconds to more
// than an hour, in constant memory. Debian packages no such library for C++.
#pragma once

#include <cstdint>
#include <vector>

namespace load {

class Histogram {
 public:
  Histogram();

  // Negative values count as 0, and what is too long as the longest.
  void record(std::int64_t value_ns);
  void add(const Histogram& other);
  void clear();

  std::uint64_t count() const { return count_; }
  std::int64_t max_ns() const { return max_ns_; }
  double mean_ns() const;
  // The value that `share` (0 to 1) of all do not exceed; 0 if there is none.
  std::int64_t at(double share) const;
  double at_ms(double share) const { return static_cast<double>(at(share)) / 1e6; }

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::int64_t max_ns_ = 0;
  double sum_ns_ = 0;
};

}  // namespace load
