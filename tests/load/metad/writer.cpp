#include "tests/load/metad/writer.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace metad {
namespace {

// Whether programs must load colony.so for their commits to be captured. In wal mode nothing
// has to be known of Colony.
bool wants_extension(Database& db) {
  if (!Statement(db, "SELECT 1 FROM sqlite_schema WHERE name = '__colony_meta'").step()) return false;
  return !Statement(db, "SELECT 1 FROM __colony_meta WHERE key = 'capture' AND value = 'wal'").step();
}

// The tables are those of deploy/demo; the index that finds blobs is metad's own.
Database opened(const WriterSettings& settings) {
  const std::string& path = settings.path;
  Database db = open_database(path, Database::Mode::kProgram, settings.lock_wait_ms);
  const bool is_wanted = wants_extension(db);
  if (!settings.extension.empty()) load_extension(db, settings.extension);
  if (is_wanted && settings.extension.empty()) {
    throw std::runtime_error(path + " is a colony's: give --extension with the path of colony.so");
  }
  // Nothing would be captured, and nobody would notice.
  if (!is_wanted && !settings.extension.empty()) {
    throw std::runtime_error(path + " belongs to no colony whose programs load colony.so: run `colony init " + path +
                             " --cluster NAME --node NAME` first, or leave out --extension");
  }
  db.execute("PRAGMA foreign_keys = ON");
  db.execute(settings.sync_each_commit ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  db.execute("CREATE INDEX IF NOT EXISTS objects_by_sha256 ON objects(sha256)");
  return db;
}

std::string start_failure(const std::string& path, const SqliteError& error) {
  std::string text = error.what();
  if (text.find(path) == text.npos) text.insert(0, path + ": ");
  switch (error.code()) {
    case SQLITE_ERROR:
      return text + ": it needs the tables of deploy/demo/schema.sql";
    case SQLITE_NOTADB:
      return text + ": give metad an SQLite file with the tables of deploy/demo/schema.sql";
    case SQLITE_CANTOPEN:
      return text + ": make it with deploy/demo/schema.sql, or give its right path";
    case SQLITE_BUSY:
      return text + ": another program has held its lock for seconds; end that one, and start again";
    case SQLITE_READONLY:
      return text + ": metad must be allowed to write it";
    default:
      return text;
  }
}

Response done(unsigned status) { return {status, R"({"done":true})"}; }

Response not_there(const char* what) {
  return error_response(404, std::string("there is no such ") + what, "nothing was changed");
}

}  // namespace

Writer::Writer(const WriterSettings& settings) try
    : db_(opened(settings)),
      begin_(db_, "BEGIN IMMEDIATE"),
      commit_(db_, "COMMIT"),
      savepoint_(db_, "SAVEPOINT one_write"),
      release_(db_, "RELEASE one_write"),
      rollback_to_(db_, "ROLLBACK TO one_write"),
      get_value_(db_,
                 "SELECT value, expires FROM kv WHERE namespace = ?1 AND key = ?2 "
                 "AND (expires IS NULL OR expires > ?3)"),
      put_value_(db_,
                 "INSERT INTO kv(namespace, key, value, expires) VALUES(?1, ?2, ?3, ?4) "
                 "ON CONFLICT(namespace, key) DO UPDATE SET value = excluded.value, expires = excluded.expires"),
      delete_value_(db_,
                    "DELETE FROM kv WHERE namespace = ?1 AND key = ?2 "
                    "AND (expires IS NULL OR expires > ?3)"),
      put_object_(db_,
                  "INSERT INTO objects(key, size, sha256, owner, modified) VALUES(?1, ?2, ?3, ?4, ?5) "
                  "ON CONFLICT(key) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256, "
                  "owner = excluded.owner, modified = excluded.modified"),
      delete_object_(db_, "DELETE FROM objects WHERE key = ?1"),
      put_placement_(db_,
                     "INSERT INTO placements(object, node, url, state) VALUES(?1, ?2, ?3, ?4) "
                     "ON CONFLICT(object, node) DO UPDATE SET url = excluded.url, state = excluded.state"),
      delete_placement_(db_, "DELETE FROM placements WHERE object = ?1 AND node = ?2"),
      expire_(db_,
              "DELETE FROM kv WHERE (namespace, key) IN "
              "(SELECT namespace, key FROM kv WHERE expires <= ?1 ORDER BY expires LIMIT ?2)") {
} catch (const SqliteError& error) {
  throw std::runtime_error(start_failure(settings.path, error));
}

Response Writer::apply(const Write& write) {
  savepoint_.run();
  try {
    Response response = std::visit([this](const auto& one) { return put(one); }, write);
    release_.run();
    return response;
  } catch (const SqliteError& error) {
    // Anything but a constraint (a full disk, say) may have rolled back everything.
    if (error.code() != SQLITE_CONSTRAINT || sqlite3_get_autocommit(db_.handle()) != 0) throw;
    rollback_to_.run();
    release_.run();
    return error_response(409, error.reason(), "change the request: the tables do not allow it");
  }
}

void Writer::rollback() noexcept {
  if (sqlite3_get_autocommit(db_.handle()) == 0) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

int Writer::delete_expired(std::int64_t grace_seconds, int limit) {
  const std::string before = utc_text(-grace_seconds);
  expire_.bind(1, before).bind(2, limit).run();
  return changes(db_);
}

std::optional<Response> Writer::objection(std::string_view space, std::string_view key, const Condition& condition) {
  if (!condition.if_absent && !condition.if_etag) return std::nullopt;
  const std::string now = utc_text();
  const ResetAtEnd at_end(get_value_);
  get_value_.bind(1, space).bind(2, key).bind(3, now);
  std::string found;
  if (get_value_.step()) {
    found = etag_of(get_value_.text(0), get_value_.is_null(1) ? std::nullopt : std::optional(get_value_.text(1)));
  }
  if (condition.if_absent ? found.empty() : *condition.if_etag == found && !found.empty()) return std::nullopt;
  Response response = error_response(412, found.empty() ? "there is no such value" : "the value is another one",
                                     "GET it, decide anew, and try again with its ETag");
  response.etag = std::move(found);
  return response;
}

Response Writer::put(const PutValue& write) {
  if (auto refused = objection(write.space, write.key, write.condition)) return std::move(*refused);
  put_value_.bind(1, write.space).bind(2, write.key).bind_blob(3, write.value);
  if (write.expires) {
    put_value_.bind(4, *write.expires);
  } else {
    put_value_.bind_null(4);
  }
  put_value_.run();
  Response response = done(200);
  response.etag = etag_of(write.value, write.expires);
  return response;
}

Response Writer::put(const DeleteValue& write) {
  if (auto refused = objection(write.space, write.key, write.condition)) return std::move(*refused);
  const std::string now = utc_text();
  delete_value_.bind(1, write.space).bind(2, write.key).bind(3, now);
  delete_value_.run();
  return changes(db_) > 0 ? done(200) : not_there("value");
}

Response Writer::put(const PutObject& write) {
  const std::string now = utc_text();
  put_object_.bind(1, write.key).bind(2, write.size).bind(3, write.sha256).bind(4, write.owner).bind(5, now).run();
  for (const Placement& placement : write.placements) put(PutPlacement{write.key, placement});
  return done(200);
}

Response Writer::put(const DeleteObject& write) {
  delete_object_.bind(1, write.key).run();
  return changes(db_) > 0 ? done(200) : not_there("object");
}

Response Writer::put(const PutPlacement& write) {
  const Placement& placement = write.placement;
  put_placement_.bind(1, write.object).bind(2, placement.node).bind(3, placement.url).bind(4, placement.state).run();
  return done(200);
}

Response Writer::put(const DeletePlacement& write) {
  delete_placement_.bind(1, write.object).bind(2, write.node).run();
  return changes(db_) > 0 ? done(200) : not_there("placement");
}

}  // namespace metad
