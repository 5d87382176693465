// The words that every layer shares: positions in the log, numbers of an
// origin's chunks, and names. Each is a type of its own, so that the compiler
// refuses to take one for another.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace colony {

template <class Tag>
class Number {
 public:
  constexpr Number() = default;
  constexpr explicit Number(std::uint64_t value) : value_(value) {}
  constexpr std::uint64_t value() const { return value_; }
  constexpr Number next() const { return Number(value_ + 1); }
  friend constexpr auto operator<=>(const Number&, const Number&) = default;

 private:
  std::uint64_t value_ = 0;
};

// The sequence of a message in the log. The first one is 1; 0 is "before the
// log began".
using Sequence = Number<struct SequenceTag>;

// The number of a chunk in its origin's outbox. A transaction is one chunk, or
// several in a row when it is large. The first one is 1; 0 is "none yet".
using ChunkNumber = Number<struct ChunkNumberTag>;

// A random number that tells this file's life as a node from any other.
using Incarnation = Number<struct IncarnationTag>;

// Names of colonies and nodes become tokens of broker subjects: 1 to 32 of
// A-Z a-z 0-9 _ and -, so that no name means two things.
bool is_valid_name(std::string_view name);

}  // namespace colony
