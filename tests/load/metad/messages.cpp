#include "tests/load/metad/messages.h"

#include <xxhash.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace metad {

Response error_response(unsigned status, std::string_view what, std::string_view what_to_do) {
  Response response;
  response.status = status;
  response.body = nlohmann::json{{"error", what}, {"do", what_to_do}}.dump(-1, ' ', false,
                                                                           nlohmann::json::error_handler_t::replace);
  return response;
}

std::string etag_of(std::string_view value, std::optional<std::string_view> expires) {
  XXH64_hash_t hash = XXH3_64bits(value.data(), value.size());
  if (expires) hash = XXH3_64bits_withSeed(expires->data(), expires->size(), hash);
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::string utc_text(std::int64_t seconds_from_now) {
  const std::time_t when = std::time(nullptr) + seconds_from_now;
  std::tm fields{};
  gmtime_r(&when, &fields);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields)};
}

}  // namespace metad
