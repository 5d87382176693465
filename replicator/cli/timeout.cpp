#include "replicator/cli/timeout.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace colony::cli {
namespace {

std::optional<double> parsed(std::string_view text) {
  constexpr double kSecondsMax = 1e9;
  static const std::map<std::string_view, double> units = {{"", 1},     {"ms", 0.001}, {"s", 1},
                                                           {"min", 60}, {"h", 3600},   {"d", 86400}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto known = units.find(unit);
  if (known == units.end() || !(number >= 0) || number * known->second > kSecondsMax) return std::nullopt;
  return number * known->second;
}

}  // namespace

CLI::Validator duration_in_seconds() {
  return {[](std::string& text) {
            const std::optional<double> seconds = parsed(text);
            if (!seconds)
              return "'" + text + "' is no duration such as 5s, 10min or 1h (of at most 1000000000 seconds)";
            text = fmt::format("{}", *seconds);
            return std::string();
          },
          "", "duration"};
}

}  // namespace colony::cli
