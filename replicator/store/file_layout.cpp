#include "replicator/store/file_layout.h"

#include "sqlite_ext/capture.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/guard_index.h"
#include "sqlite_ext/guard_triggers.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS __colony_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_tables(name TEXT PRIMARY KEY, definition TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_layouts(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  columns BLOB NOT NULL,
  change BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS __colony_left_out(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_unchecked(name TEXT PRIMARY KEY, since INTEGER, why TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_outbox(
  piece INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  shape INTEGER NOT NULL,
  changeset BLOB NOT NULL,
  effect BLOB);
CREATE TABLE IF NOT EXISTS __colony_origins(
  node TEXT PRIMARY KEY,
  incarnation INTEGER NOT NULL,
  piece INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  host TEXT NOT NULL,
  path TEXT NOT NULL,
  version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_parts(
  origin TEXT NOT NULL,
  piece INTEGER NOT NULL,
  changeset BLOB NOT NULL,
  PRIMARY KEY(origin, piece));
CREATE TABLE IF NOT EXISTS __colony_conflicts(
  sequence INTEGER NOT NULL,
  origin TEXT NOT NULL,
  piece INTEGER NOT NULL,
  n INTEGER NOT NULL,
  kind TEXT NOT NULL,
  table_name TEXT NOT NULL,
  key TEXT NOT NULL,
  lost TEXT NOT NULL,
  PRIMARY KEY(sequence, origin, piece, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_left(
  incarnation INTEGER PRIMARY KEY,
  node TEXT NOT NULL,
  piece INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  removed_by TEXT NOT NULL,
  host TEXT NOT NULL,
  path TEXT NOT NULL,
  version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS __colony_trust(node TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS __colony_checks(
  position INTEGER NOT NULL,
  table_name TEXT NOT NULL,
  id INTEGER NOT NULL,
  low BLOB NOT NULL,
  high BLOB NOT NULL,
  asked INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY(position, table_name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS __colony_checks_by_table ON __colony_checks(table_name);
CREATE INDEX IF NOT EXISTS __colony_checks_found ON __colony_checks(table_name, position) WHERE since > 0;
CREATE TABLE IF NOT EXISTS __colony_answers(
  position INTEGER NOT NULL,
  table_name TEXT NOT NULL,
  node TEXT NOT NULL,
  hash INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY(position, table_name, node)) WITHOUT ROWID;
)sql";

// Since format 4.
bool has_definitions(Database& db) {
  return db.query_integer("SELECT count(*) FROM pragma_table_info('__colony_tables') WHERE name = 'definition'") != 0;
}

bool has_index(Database& db, const std::string& name, const std::string& table) {
  Statement select(db, "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1 AND tbl_name = ?2");
  return select.bind(1, name).bind(2, table).step();
}

// One of an older format is of the module's former name, whose message says less.
void create_capture_table(Database& db) {
  Statement former(db, "SELECT 1 FROM sqlite_schema WHERE name = ?1 AND sql LIKE '%USING ' || ?2");
  former.bind(1, std::string_view(kCaptureTable)).bind(2, std::string_view(kFormerCaptureModule));
  const bool has_former = former.step();
  former.reset();
  if (has_former) db.execute(std::string("DROP TABLE ") + kCaptureTable);
  db.execute(std::string("CREATE VIRTUAL TABLE IF NOT EXISTS ") + kCaptureTable + " USING " + quoted(kCaptureModule));
}

// The word that stands for the mode; empty if there is none.
std::string capture_word(Database& db) {
  return db.query_text("SELECT value FROM __colony_meta WHERE key = 'capture'");
}

bool has_table(Database& db, const std::string& table) {
  Statement select(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1");
  return select.bind(1, table).step();
}

// What sqlite_ext tells as its own kind of error is SQLite's.
template <class Body>
auto with_guards(Database& db, Body&& body) {
  try {
    return body();
  } catch (const RecordError& error) {
    throw SqliteError(sqlite3_extended_errcode(db.handle()), error.what());
  }
}

}  // namespace

bool is_own_name(std::string_view name) { return name.starts_with(kOwnPrefix); }

bool has_layout(Database& db) {
  return db.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '__colony_meta'") != 0;
}

const char* to_string(CaptureMode mode) { return mode == CaptureMode::kWal ? "wal" : "session"; }

CaptureMode capture_mode(Database& db) {
  return capture_word(db) == to_string(CaptureMode::kWal) ? CaptureMode::kWal : CaptureMode::kSession;
}

bool is_guarded(Database& db) { return capture_word(db) == to_string(CaptureMode::kSession); }

void set_capture_mode(Database& db, CaptureMode mode) {
  Statement(db, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('capture', ?1)")
      .bind(1, std::string_view(to_string(mode)))
      .run();
  if (mode == CaptureMode::kWal) {
    for (const std::string& table : replicated_tables(db)) drop_guards(db, table);
    db.execute(std::string("DROP TABLE IF EXISTS ") + kCaptureTable);
    return;
  }
  db.execute("DELETE FROM __colony_meta WHERE key = 'wal_mark'");
  create_capture_table(db);
  const std::set<std::string> guarded = guarded_tables(db);
  for (const std::string& table : replicated_tables(db)) {
    if (!guarded.contains(table) && has_table(db, table)) create_guards(db, table);
  }
}

void create_layout(Database& db, CaptureMode mode) {
  db.execute(kTables);
  Statement(db, "INSERT OR IGNORE INTO __colony_meta(key, value) VALUES('capture', ?1)")
      .bind(1, std::string_view(to_string(mode)))
      .run();
  if (is_guarded(db)) create_capture_table(db);
}

void upgrade_layout(Database& db) {
  const char* const format = "SELECT value FROM __colony_meta WHERE key = 'format'";
  if (db.query_integer(format) >= kFileFormat) return;  // who opens a newer one refuses it
  WriteTransaction transaction(db);
  db.execute(kTables);
  if (!has_definitions(db)) {
    db.execute("ALTER TABLE __colony_tables ADD COLUMN definition TEXT NOT NULL DEFAULT ''");
    agree_on_definitions(db);
  }
  db.execute("UPDATE __colony_meta SET value = " + std::to_string(kFileFormat) + " WHERE key = 'format'");
  transaction.commit();
}

void drop_layout(Database& db) {
  std::string drop;
  Statement names(db,
                  "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'trigger', 'index') AND "
                  "substr(name, 1, 9) = '__colony_' ORDER BY type = 'table', name");
  while (names.step()) {
    // An index goes with its table.
    drop += "DROP " + std::string(names.text(0)) + " IF EXISTS " + quoted(std::string(names.text(1))) + ";";
  }
  names.reset();
  db.execute(drop);
}

std::optional<GuardKind> chosen_guard_kind(Database& db) {
  Statement select(db, "SELECT value FROM __colony_meta WHERE key = 'guard'");
  if (!select.step()) return std::nullopt;
  return select.text(0) == "index" ? GuardKind::kIndex : GuardKind::kTriggers;
}

void choose_guard_kind(Database& db, GuardKind kind) {
  Statement(db, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('guard', ?1)")
      .bind(1, std::string_view(kind == GuardKind::kIndex ? "index" : "triggers"))
      .run();
}

void create_guards(Database& db, const std::string& table) {
  if (!is_guarded(db)) return;
  with_guards(db, [&] { create_guard_triggers(db.handle(), "main", table); });
  refresh_guards(db, table);
}

void drop_guards(Database& db, const std::string& table) {
  with_guards(db, [&] {
    drop_guard_triggers(db.handle(), "main", table);
    drop_guard_index(db.handle(), "main", table);
  });
}

bool has_guards(Database& db, const std::string& table) { return guarded_tables(db).contains(table); }

std::set<std::string> guarded_tables(Database& db) {
  if (!is_guarded(db)) return {};
  const bool has_index = chosen_guard_kind(db) == GuardKind::kIndex;
  const std::size_t wanted = kGuardTriggers + (has_index ? 1 : 0);
  std::map<std::string, std::size_t> found;
  Statement own(db,
                "SELECT tbl_name, name FROM sqlite_schema WHERE type IN ('trigger', 'index') AND "
                "substr(name, 1, 9) = '__colony_'");
  while (own.step()) {
    const std::string table(own.text(0)), name(own.text(1));
    found[table] += is_guard_trigger(name, table);
    found[table] += has_index && name == guard_index_name(table);
  }
  std::set<std::string> guarded;
  for (const auto& [table, guards] : found) {
    if (guards == wanted) guarded.insert(table);
  }
  return guarded;
}

bool refresh_guards(Database& db, const std::string& table) {
  if (!is_guarded(db)) return false;
  if (chosen_guard_kind(db) == GuardKind::kIndex) {
    if (!with_guards(db, [&] { return refresh_guard_index(db.handle(), linked_host(), "main", table); })) return false;
    const std::int64_t version = db.query_integer("PRAGMA schema_version");
    db.execute("PRAGMA schema_version = " + std::to_string(version + 1));  // tells other connections
    return true;
  }
  if (!has_index(db, guard_index_name(table), table)) return false;
  with_guards(db, [&] { drop_guard_index(db.handle(), "main", table); });
  return true;
}

void agree_on_definition(Database& db, const std::string& table) {
  const std::optional<std::string> definition = read_table_definition(db.handle(), "main", table);
  Statement update(db, "UPDATE __colony_tables SET definition = ?2 WHERE name = ?1");
  update.bind(1, table).bind(2, definition.value_or("")).run();
}

void agree_on_definitions(Database& db) {
  DefinitionReader definitions(db.handle(), "main");
  Statement update(db, "UPDATE __colony_tables SET definition = ?2 WHERE name = ?1");
  for (const std::string& table : replicated_tables(db)) {
    update.bind(1, table).bind(2, definitions.read(table).value_or("")).run();
  }
}

std::map<std::string, std::string> agreed_definitions(Database& db) {
  std::map<std::string, std::string> definitions;
  const bool are_known = has_definitions(db);
  Statement select(db, std::string("SELECT name, ") + (are_known ? "definition" : "''") + " FROM __colony_tables");
  while (select.step()) definitions.emplace(select.text(0), select.text(1));
  return definitions;
}

std::map<std::string, std::string> unchecked_tables(Database& db) {
  std::map<std::string, std::string> tables;
  if (!has_definitions(db)) return tables;
  Statement select(db, "SELECT name, why FROM __colony_unchecked");
  while (select.step()) tables.emplace(select.text(0), select.text(1));
  return tables;
}

std::vector<std::string> replicated_tables(Database& db) {
  std::vector<std::string> names;
  Statement select(db, "SELECT name FROM __colony_tables ORDER BY name");
  while (select.step()) names.emplace_back(select.text(0));
  return names;
}

}  // namespace colony
