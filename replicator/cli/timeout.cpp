#include "replicator/cli/timeout.h"

#include <charconv>
#include <string>

namespace colony::cli {

CLI::Validator seconds() {
  constexpr double kSecondsMax = 1e9;
  return {[](const std::string& text) {
            double number = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            const bool is_number = error == std::errc() && end == text.data() + text.size();
            if (is_number && number >= 0 && number <= kSecondsMax) return std::string();
            return "'" + text + "' is no number of seconds from 0 to 1000000000";
          },
          ""};
}

}  // namespace colony::cli
