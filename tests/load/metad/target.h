// The target of a request, taken apart: /objects/a%20b?limit=5 is the path parts
// "objects" and "a b", and the query limit = 5.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace metad {

struct Target {
  std::string kind;         // the first part of the path: objects
  std::string rest;         // what follows it, decoded, without the slash; may have slashes of its own
  std::string first, tail;  // `rest` up to its first slash, and what is behind that
  bool has_rest = false, has_tail = false;
  std::map<std::string, std::string> query;
};

// Nothing if an escape is none, if what comes out is no UTF-8 or has a NUL, or if a
// parameter is there twice.
std::optional<Target> parse_target(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace metad
