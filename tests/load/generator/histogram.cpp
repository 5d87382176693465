#include "tests/load/generator/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace load {
namespace {

// Values below 2^kFineBits have a bucket each; above, an octave has half as many.
constexpr int kFineBits = 8;
constexpr int kValueBits = 42;
constexpr std::uint64_t kFine = 1ULL << kFineBits;
constexpr std::size_t kBuckets = kFine + (kValueBits - kFineBits) * (kFine / 2);

std::size_t bucket_of(std::uint64_t value) {
  if (value < kFine) return value;
  const int shift = std::bit_width(value) - kFineBits;
  return kFine + static_cast<std::size_t>(shift - 1) * (kFine / 2) + ((value >> shift) - kFine / 2);
}

// The largest value that falls into a bucket.
std::int64_t top_of(std::size_t bucket) {
  if (bucket < kFine) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = (bucket - kFine) / (kFine / 2) + 1;
  const std::uint64_t mantissa = (bucket - kFine) % (kFine / 2) + kFine / 2;
  return static_cast<std::int64_t>(((mantissa + 1) << shift) - 1);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::record(std::int64_t value_ns) {
  const auto value = static_cast<std::uint64_t>(std::clamp<std::int64_t>(value_ns, 0, (1LL << kValueBits) - 1));
  ++buckets_[bucket_of(value)];
  ++count_;
  max_ns_ = std::max(max_ns_, static_cast<std::int64_t>(value));
  sum_ns_ += static_cast<double>(value);
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
  sum_ns_ += other.sum_ns_;
}

void Histogram::clear() {
  if (count_ != 0) *this = Histogram();
}

double Histogram::mean_ns() const { return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_); }

std::int64_t Histogram::at(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(top_of(i), max_ns_);
  }
  return max_ns_;
}

}  // namespace load
