// The little JSON that Colony writes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sqlite_ext/changeset.h"

namespace colony {

// "text", quoted and escaped; bytes that are not UTF-8 are replaced.
std::string json_string(std::string_view text);

// A value of a row. Blobs, and text that JSON cannot hold, as {"hex":"00ff"};
// infinities as 9e999, which SQLite's JSON functions read back.
std::string json_value(const Value& value);

// `{"a":1,"b":"x"}` of the columns whose values are defined.
std::string json_row(const std::vector<std::string>& columns, const std::vector<Value>& values);

// An object, member by member.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view text) { return add_raw(name, json_string(text)); }
  JsonObject& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  JsonObject& add(std::string_view name, std::int64_t number) { return add_raw(name, std::to_string(number)); }
  JsonObject& add(std::string_view name, std::uint64_t number) { return add_raw(name, std::to_string(number)); }
  JsonObject& add(std::string_view name, bool truth) { return add_raw(name, truth ? "true" : "false"); }
  JsonObject& add_null(std::string_view name) { return add_raw(name, "null"); }
  // `json` is JSON already.
  JsonObject& add_raw(std::string_view name, std::string_view json);
  std::string text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

std::string json_array(const std::vector<std::string>& elements);

}  // namespace colony
