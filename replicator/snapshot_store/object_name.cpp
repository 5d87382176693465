#include "replicator/snapshot_store/object_name.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <random>

#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::size_t kNameBytesMax = 200;
constexpr std::int64_t kDeadAfterSeconds = 24 * 3600;

bool is_name_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

bool is_object_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_name_letter);
}

void require_object_name(std::string_view name) {
  if (is_object_name(name)) return;
  throw Error("'" + std::string(name) + "' cannot be the name of an object: use letters, digits, '.', '_' and '-'");
}

std::string temporary_name(std::string_view name) {
  std::random_device random;
  std::string temporary = std::string(name) + "~" + std::to_string(std::time(nullptr)) + "-";
  for (int i = 0; i < 8; ++i) temporary += "0123456789abcdef"[random() % 16];
  return temporary;
}

std::optional<std::int64_t> temporary_since(std::string_view name) {
  const auto tilde = name.find('~');
  if (tilde == name.npos || !is_object_name(name.substr(0, tilde))) return std::nullopt;
  std::int64_t seconds = 0;
  const std::string_view rest = name.substr(tilde + 1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
  const bool valid = error == std::errc() && rest.data() + rest.size() - end == 9 && *end == '-';
  return valid ? std::optional(seconds) : std::nullopt;
}

bool is_dead_temporary(std::string_view name) {
  const std::optional<std::int64_t> since = temporary_since(name);
  return since && std::time(nullptr) - *since > kDeadAfterSeconds;
}

}  // namespace colony
