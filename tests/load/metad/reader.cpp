#include "tests/load/metad/reader.h"

#include <nlohmann/json.hpp>

#include "tests/load/metad/target.h"

namespace metad {
namespace {

using nlohmann::json;

std::string dumped(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

// The first key that the page may have: prefixes sort before what they begin, and
// nothing lies between a key and the same with a NUL behind it.
std::string first_key(const Page& page) {
  return page.after >= page.prefix && !page.after.empty() ? page.after + '\0' : page.prefix;
}

// The first text behind all keys that the page may have. Without it, a search for rows
// that pass further conditions goes on to the end of the table.
std::string end_of_keys(const Page& page) {
  std::string end = page.prefix;
  if (end.empty()) return "\xff";  // behind all UTF-8
  ++end.back();                    // UTF-8 has no byte 0xff
  return end;
}

std::string hex_of(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) (out += kDigits[byte >> 4]) += kDigits[byte & 15];
  return out;
}

// Several statements that see one state of the file.
class Snapshot {
 public:
  Snapshot(Statement& begin, Statement& end) : end_(end) { begin.run(); }
  ~Snapshot() {
    try {
      end_.run();
    } catch (const SqliteError&) {
      // Nothing was written, and the next BEGIN says what is wrong.
    }
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Statement& end_;
};

json placement_rows(Statement& statement, std::string_view object) {
  json rows = json::array();
  const ResetAtEnd at_end(statement);
  statement.bind(1, object);
  while (statement.step()) {
    rows.push_back({{"node", statement.text(0)}, {"url", statement.text(1)}, {"state", statement.text(2)}});
  }
  return rows;
}

// Rows of one list until the prefix ends or the page is full; says where it goes on.
template <class RowOf>
Response listed(Statement& statement, int key_column, const Page& page, const char* name, RowOf&& row_of) {
  json rows = json::array();
  std::string last;
  bool more = false;
  const ResetAtEnd at_end(statement);
  while (statement.step()) {
    const std::string_view key = statement.text(key_column);
    if (key.substr(0, page.prefix.size()) != page.prefix) break;
    if (static_cast<std::int64_t>(rows.size()) == page.limit) {
      more = true;
      break;
    }
    last = key;
    rows.push_back(row_of());
  }
  json document{{name, std::move(rows)}};
  if (more) document["next"] = last;
  return {200, dumped(document)};
}

Response holders(Statement& statement, std::string_view wanted) {
  json rows = json::array();
  const ResetAtEnd at_end(statement);
  statement.bind(1, wanted);
  while (statement.step()) {
    rows.push_back({{"object", statement.text(0)}, {"node", statement.text(1)}, {"url", statement.text(2)}});
  }
  if (rows.empty()) return error_response(404, "no node holds it ready", "ask again later, or put a placement");
  return {200, dumped({{"holders", std::move(rows)}})};
}

}  // namespace

Reader::Reader(const std::string& path)
    : db_(open_database(path, Database::Mode::kReadOnly, 5000)),
      begin_(db_, "BEGIN"),
      end_(db_, "COMMIT"),
      value_(db_,
             "SELECT value, expires FROM kv WHERE namespace = ?1 AND key = ?2 "
             "AND (expires IS NULL OR expires > ?3)"),
      values_(db_,
              "SELECT key, value, expires FROM kv WHERE namespace = ?1 AND key >= ?2 AND key < ?4 "
              "AND (expires IS NULL OR expires > ?3) ORDER BY key"),
      object_(db_, "SELECT key, size, sha256, owner, modified FROM objects WHERE key = ?1"),
      objects_(db_, "SELECT key, size, sha256, owner, modified FROM objects WHERE key >= ?1 ORDER BY key"),
      object_placements_(db_, "SELECT node, url, state FROM placements WHERE object = ?1 ORDER BY node"),
      node_placements_(db_,
                       "SELECT object, url, state FROM placements WHERE object >= ?1 AND node = ?2 "
                       "ORDER BY object"),
      // The plus keeps SQLite from sorting all that the node has: with a prefix, a walk over
      // the keys that begin with it is shorter.
      node_placements_below_(db_,
                             "SELECT object, url, state FROM placements WHERE object >= ?1 AND object < ?3 "
                             "AND +node = ?2 ORDER BY object"),
      object_holders_(db_,
                      "SELECT object, node, url FROM placements WHERE object = ?1 AND state = 'ready' "
                      "ORDER BY node"),
      blob_holders_(db_,
                    "SELECT p.object, p.node, p.url FROM objects o JOIN placements p ON p.object = o.key "
                    "WHERE o.sha256 = ?1 AND p.state = 'ready' ORDER BY p.object, p.node LIMIT 1000"),
      probe_(db_, "SELECT count(*) FROM (SELECT 1 FROM kv LIMIT 1)") {}

Response Reader::value(std::string_view space, std::string_view key) {
  const std::string now = utc_text();
  const ResetAtEnd at_end(value_);
  value_.bind(1, space).bind(2, key).bind(3, now);
  if (!value_.step()) return error_response(404, "there is no such value, or it has expired", "PUT one");
  Response response;
  response.is_json = false;
  response.body = value_.text(0);
  response.etag = etag_of(response.body, value_.is_null(1) ? std::nullopt : std::optional(value_.text(1)));
  return response;
}

Response Reader::values(std::string_view space, const Page& page) {
  const std::string from = first_key(page), end = end_of_keys(page), now = utc_text();
  values_.bind(1, space).bind(2, from).bind(3, now).bind(4, end);
  return listed(values_, 0, page, "values", [&] {
    const std::string_view value = values_.text(1);
    json row{{"key", values_.text(0)}};
    if (is_utf8(value)) {
      row["value"] = value;
    } else {
      row["value_hex"] = hex_of(value);
    }
    if (!values_.is_null(2)) row["expires"] = values_.text(2);
    return row;
  });
}

namespace {

json object_row(const Statement& statement) {
  return {{"key", statement.text(0)},
          {"size", statement.integer(1)},
          {"sha256", statement.text(2)},
          {"owner", statement.text(3)},
          {"modified", statement.text(4)}};
}

}  // namespace

Response Reader::object(std::string_view key) {
  const Snapshot snapshot(begin_, end_);
  const ResetAtEnd at_end(object_);
  object_.bind(1, key);
  if (!object_.step()) return error_response(404, "there is no such object", "PUT it");
  json row = object_row(object_);
  row["placements"] = placement_rows(object_placements_, key);
  return {200, dumped(row)};
}

Response Reader::objects(const Page& page) {
  const Snapshot snapshot(begin_, end_);
  const std::string from = first_key(page);
  objects_.bind(1, from);
  return listed(objects_, 0, page, "objects", [&] {
    json row = object_row(objects_);
    row["placements"] = placement_rows(object_placements_, objects_.text(0));
    return row;
  });
}

Response Reader::placements(std::string_view node, const Page& page) {
  const std::string from = first_key(page), end = end_of_keys(page);
  Statement& rows = page.prefix.empty() ? node_placements_ : node_placements_below_;
  rows.bind(1, from).bind(2, node);
  if (!page.prefix.empty()) rows.bind(3, end);
  return listed(rows, 0, page, "placements", [&rows] {
    return json{{"object", rows.text(0)}, {"url", rows.text(1)}, {"state", rows.text(2)}};
  });
}

Response Reader::holders_of_object(std::string_view key) { return holders(object_holders_, key); }

Response Reader::holders_of_blob(std::string_view sha256) { return holders(blob_holders_, sha256); }

void Reader::probe() { probe_.run(); }

}  // namespace metad
