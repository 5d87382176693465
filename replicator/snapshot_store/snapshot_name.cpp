#include "replicator/snapshot_store/snapshot_name.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <ctime>
#include <vector>

namespace colony {
namespace {

constexpr std::string_view kSuffix = "zst";
constexpr std::size_t kPositionDigits = 20;
constexpr std::size_t kEpochDigits = 32;

std::tm utc(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return parts;
}

std::string time_token(std::int64_t seconds) {
  const std::tm parts = utc(seconds);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

std::optional<std::int64_t> parse_time_token(const std::string& token) {
  std::tm parts{};
  const char* const end = strptime(token.c_str(), "%Y%m%dT%H%M%SZ", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return timegm(&parts);
}

std::optional<std::uint64_t> parse_number(std::string_view token) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return number;
}

std::vector<std::string_view> tokens_of(std::string_view text) {
  std::vector<std::string_view> tokens;
  while (true) {
    const std::size_t dot = text.find('.');
    tokens.push_back(text.substr(0, dot));
    if (dot == text.npos) return tokens;
    text.remove_prefix(dot + 1);
  }
}

bool is_epoch(std::string_view token) {
  return token.size() == kEpochDigits && token.find_first_not_of("0123456789abcdef") == token.npos;
}

}  // namespace

std::string SnapshotName::text() const {
  return fmt::format("{}.{:020}.{}.{}.{}.{}.{}", cluster, position.value(), time_token(made_s), node, log_bytes, epoch,
                     kSuffix);
}

std::optional<SnapshotName> parse_snapshot_name(std::string_view text) {
  const std::vector<std::string_view> tokens = tokens_of(text);
  if (tokens.size() != 7 || tokens[6] != kSuffix || tokens[1].size() != kPositionDigits) return std::nullopt;
  const auto position = parse_number(tokens[1]);
  const auto made = parse_time_token(std::string(tokens[2]));
  const auto log_bytes = parse_number(tokens[4]);
  if (!position || !made || !log_bytes || !is_epoch(tokens[5])) return std::nullopt;
  if (!is_valid_name(tokens[0]) || !is_valid_name(tokens[3])) return std::nullopt;
  SnapshotName name{std::string(tokens[0]), Sequence(*position), *made,
                    std::string(tokens[3]), *log_bytes,          std::string(tokens[5])};
  // A snapshot is fetched by what its name says: a name written in another way (a
  // 30th of February, say) would not be found again.
  if (name.text() != text) return std::nullopt;
  return name;
}

std::string utc_text(std::int64_t seconds) {
  const std::tm parts = utc(seconds);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace colony
