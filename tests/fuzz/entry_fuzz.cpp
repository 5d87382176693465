// decode(): bytes from the log. As they come, and again with the checksum that they
// ought to have, so that what lies behind it is tried as well. What decodes is
// encoded again, and must decode to the same.
#include <cstring>
#include <string>

#include "replicator/log/entry.h"
#include "replicator/log/error.h"
#include "tests/fuzz/fuzz.h"

namespace colony::fuzz {
namespace {

constexpr std::size_t kOriginLengthAt = 7, kOriginAt = 8;  // docs/formats.md

// The name that the entry says it is from; the broker's subject would say the same.
std::string claimed_origin(std::string_view bytes) {
  if (bytes.size() <= kOriginAt) return "a";
  return std::string(bytes.substr(kOriginAt, static_cast<unsigned char>(bytes[kOriginLengthAt])));
}

void try_entry(std::string_view bytes) {
  const std::string origin = claimed_origin(bytes);
  try {
    const std::optional<Entry> entry = decode(bytes, origin);
    if (!entry) return;
    require(entry->origin == origin, "an entry is from whom its subject says");
    const std::string encoded = encode(entry->origin, entry->incarnation, entry->body);
    const std::optional<Entry> again = decode(encoded, origin);
    require(again.has_value(), "what was encoded can be decoded");
    require(encode(again->origin, again->incarnation, again->body) == encoded, "and is the same then");
  } catch (const Halt&) {
  }
}

std::string with_right_checksum(std::string_view bytes) {
  if (bytes.size() < sizeof(std::uint64_t)) return std::string(bytes);
  std::string out(bytes.substr(0, bytes.size() - sizeof(std::uint64_t)));
  const std::uint64_t checksum = message_hash(out);
  out.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return out;
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace colony::fuzz;
  try_entry(bytes_of(data, size));
  try_entry(with_right_checksum(bytes_of(data, size)));
  return 0;
}
