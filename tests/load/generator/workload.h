// What users do, and with what: the rows that there are before anybody comes, which
// of them are asked for how often, and what a write's value says of itself.
//
// Rows: values load/k0000000 …, which all users share, and objects set/000/00000 …
// with two placements each, in sets of kSetSize. A write either sets a shared value,
// or adds an object of its own that nobody else touches, new/TOKEN.
//
// Each write has a token, a number that no other write of the run has; its value
// begins with it, so that a row tells which write it is of. 0: there before the run.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace load {

enum class Operation : std::uint8_t { kRead, kList, kWrite, kCompareAndSet, kAddObject, kProbe };
inline constexpr std::size_t kOperations = 6;
const char* name_of(Operation operation);
inline bool is_write(Operation operation) { return operation > Operation::kList; }

inline constexpr const char* kSpace = "load";
inline constexpr const char* kProbeSpace = "probe";
inline constexpr std::uint32_t kSetSize = 20;

struct Dataset {
  std::uint32_t keys = 100'000;
  std::uint32_t objects = 20'000;
  std::uint32_t value_bytes = 128;
};

std::string key_name(std::uint32_t key);
std::string set_prefix(std::uint32_t set);
std::string object_name(std::uint64_t token);
std::string value_of(std::uint64_t token, std::uint32_t bytes);
// The token that a value begins with; ~0 if it begins with none.
std::uint64_t token_of(std::string_view value);

// Makes the tables' first rows in a plain file with the demo's schema. Throws
// metad::SqliteError.
void prepare(const std::string& path, const Dataset& dataset);

// Shares of the operations; kWrite stands for both kinds of writes.
struct Mix {
  double read = 80, list = 10, write = 8, compare_and_set = 2;
  double new_objects = 0.25;  // of the writes
};

// Numbers below n: the first ones more often, or all alike.
class KeyChooser {
 public:
  // `skew` 0: uniform; else Zipf's law with that exponent.
  KeyChooser(std::uint32_t count, double skew);
  std::uint32_t operator()(std::mt19937_64& random) const;

 private:
  std::uint32_t count_;
  std::vector<double> cumulated_;
};

Operation choose(const Mix& mix, std::mt19937_64& random);

}  // namespace load
