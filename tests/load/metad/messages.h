// What goes between the parts of metad: what a client asks to be written, and what
// it is answered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace metad {

struct Response {
  unsigned status = 200;
  std::string body = {};
  bool is_json = true;            // or bytes of a value
  std::string etag = {};          // of the value; empty: none
  std::string allow = {};         // of a 405: the methods that there are
  std::int64_t committed_ns = 0;  // CLOCK_MONOTONIC right after the commit; 0: nothing was written
};

// {"error":what,"do":what_to_do}. Both are shown to people.
Response error_response(unsigned status, std::string_view what, std::string_view what_to_do);

// What went wrong, and what to do about it.
struct Failure {
  std::string what, what_to_do;
};

// When a write is to be done at all. Both unset: always.
struct Condition {
  bool if_absent = false;              // If-None-Match: *
  std::optional<std::string> if_etag;  // If-Match: "..."
};

struct PutValue {
  std::string space, key, value;
  std::optional<std::string> expires;  // as in the table: ISO 8601, UTC
  Condition condition;
};
struct DeleteValue {
  std::string space, key;
  Condition condition;
};
struct Placement {
  std::string node, url, state;
};
struct PutObject {
  std::string key, sha256, owner;
  std::int64_t size = 0;
  std::vector<Placement> placements;  // added, or replaced where the node has one
};
struct DeleteObject {
  std::string key;
};
struct PutPlacement {
  std::string object;
  Placement placement;
};
struct DeletePlacement {
  std::string object, node;
};

using Write = std::variant<PutValue, DeleteValue, PutObject, DeleteObject, PutPlacement, DeletePlacement>;

// Names a value and its expiry. Equal values have equal tags: who compares and sets
// compares what the value is, not how often it was written.
std::string etag_of(std::string_view value, std::optional<std::string_view> expires);

// Now, or so many seconds later, as the tables have it: 2026-01-31T12:00:00Z.
std::string utc_text(std::int64_t seconds_from_now = 0);

}  // namespace metad
