// Random numbers that depend on nothing but the seed, the purpose and the step
// they are for: a step keeps its numbers when others are left out, so that a
// failing run can be made shorter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace colony::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed, std::string_view purpose = "", std::uint64_t step = 0) : state_(seed) {
    for (const char c : purpose) state_ = mixed(state_) + static_cast<unsigned char>(c);
    state_ = mixed(mixed(state_) + step);
  }

  std::uint64_t next() { return mixed(state_ += 0x9e3779b97f4a7c15u); }
  // One of 0 .. bound - 1.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
  // One of low .. high.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool percent(unsigned chance) { return below(100) < chance; }
  bool permille(unsigned chance) { return below(1000) < chance; }

  template <class T>
  const T& pick(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  static std::uint64_t mixed(std::uint64_t x) {  // splitmix64
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  std::uint64_t state_;
};

}  // namespace colony::sim
