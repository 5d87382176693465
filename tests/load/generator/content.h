// What is read back, held against what was written: whose it is, and whether all of it
// is there. A write's token says what it has written, to the last byte.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "tests/load/metad/messages.h"

namespace load {

// Tokens of no write: of a value that is not there, and of one that no write has made.
inline constexpr std::uint64_t kMissing = ~0ULL;
inline constexpr std::uint64_t kCorrupt = ~0ULL - 1;

// A shared value, as it was found.
struct Content {
  std::uint64_t token = kMissing;
  std::uint32_t bytes = 0;
  bool operator==(const Content&) const = default;
};
// kCorrupt unless it is to the last byte what value_of() makes of its token and size.
Content content_of(std::string_view value);

// What a user of that node adds.
metad::PutObject added_object(std::uint64_t token, unsigned node);

// An added object, as it was found.
struct AddedObject {
  std::uint64_t token = kMissing;
  unsigned node = 0;  // on which it was added
  auto operator<=>(const AddedObject&) const = default;
};
// kCorrupt unless it is added_object() of some token and node.
AddedObject added_object_of(const metad::PutObject& found);

// Whether that is metad's answer to who lists a set. It looks for what each of the
// set's rows has: to parse all answers would take more of the machine than they take
// to make, and the machine is shared.
bool is_list_of(std::string_view body, std::uint32_t set);

}  // namespace load
