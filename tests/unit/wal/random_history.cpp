#include "random_history.h"

#include <algorithm>
#include <fstream>

namespace colony::unit {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE plain(id INTEGER PRIMARY KEY, x, y TEXT, z REAL);
CREATE TABLE blobs(id INTEGER PRIMARY KEY, note TEXT, big BLOB);
CREATE TABLE pairs(w INT, b TEXT COLLATE NOCASE, a, g AS (w + 1) STORED, v, PRIMARY KEY(a, b)) WITHOUT ROWID;
CREATE TABLE wide(k TEXT, w, PRIMARY KEY(k)) WITHOUT ROWID;
CREATE TABLE words(x, k TEXT PRIMARY KEY, r REAL, u UNIQUE);
CREATE TABLE strict(n INT, id INTEGER PRIMARY KEY, v INT AS (n * 2), a ANY, t TEXT) STRICT;
CREATE TABLE parent(id INTEGER PRIMARY KEY AUTOINCREMENT, x);
CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES parent(id) ON DELETE CASCADE, x);
CREATE TABLE audit(n INTEGER PRIMARY KEY, what, id);
CREATE TABLE keyless(a, b);
CREATE INDEX keyless_a ON keyless(a);
CREATE INDEX plain_x ON plain(x);
CREATE INDEX blobs_note ON blobs(note);
CREATE VIRTUAL TABLE search USING fts5(y, content='plain', content_rowid='id');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
CREATE TRIGGER plain_ai AFTER INSERT ON plain BEGIN
  INSERT INTO search(rowid, y) VALUES(new.id, new.y); INSERT INTO audit(what, id) VALUES('new', new.id); END;
CREATE TRIGGER plain_ad AFTER DELETE ON plain BEGIN
  INSERT INTO search(search, rowid, y) VALUES('delete', old.id, old.y); END;
CREATE TRIGGER parent_au AFTER UPDATE ON parent BEGIN UPDATE child SET x = new.x WHERE p = new.id; END;
)";

// SQLite's own are seeded by the system.
void random_function(sqlite3_context* context, int, sqlite3_value**) {
  auto& engine = *static_cast<std::mt19937*>(sqlite3_user_data(context));
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(std::uint64_t{engine()} << 32 | engine()));
}

void random_blob_function(sqlite3_context* context, int, sqlite3_value** arguments) {
  auto& engine = *static_cast<std::mt19937*>(sqlite3_user_data(context));
  std::string blob(static_cast<std::size_t>(std::max(1, sqlite3_value_int(arguments[0]))), '\0');
  for (char& byte : blob) byte = static_cast<char>(engine());
  sqlite3_result_blob64(context, blob.data(), blob.size(), SQLITE_TRANSIENT);
}

void seed_functions(Database& db, std::mt19937& engine) {
  sqlite3_create_function(db.handle(), "random", 0, SQLITE_UTF8, &engine, random_function, nullptr, nullptr);
  sqlite3_create_function(db.handle(), "randomblob", 1, SQLITE_UTF8, &engine, random_blob_function, nullptr, nullptr);
}

std::string one_of(std::mt19937& engine, const std::vector<std::string>& choices) {
  return choices[engine() % choices.size()];
}

}  // namespace

const std::vector<std::string>& RandomHistory::tables() {
  static const std::vector<std::string> names = {"plain",  "blobs",  "pairs", "wide", "words",
                                                 "strict", "parent", "child", "audit"};
  return names;
}

RandomHistory::RandomHistory(const std::string& path, std::uint32_t seed) : engine_(seed) {
  std::ofstream(path, std::ios::binary);
  {
    Database db(path, Database::Mode::kProgram);
    seed_functions(db, engine_);
    int reserved = below(4) == 0 ? static_cast<int>(below(60)) : 0;
    sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    db.execute("PRAGMA page_size = " +
               one_of(engine_, {"512", "512", "1024", "4096", "4096", "8192", "32768", "65536"}));
    db.execute("PRAGMA encoding = '" + one_of(engine_, {"UTF-8", "UTF-8", "UTF-8", "UTF-16le", "UTF-16be"}) + "'");
    db.execute("PRAGMA auto_vacuum = " + one_of(engine_, {"NONE", "NONE", "FULL", "INCREMENTAL"}));
    db.execute("PRAGMA journal_mode = WAL");
    db.execute(kSchema);
    for (int i = 0; i < 200; ++i) run(db, statement());
    db.execute("ALTER TABLE words ADD COLUMN later DEFAULT 7; ALTER TABLE wide ADD COLUMN later TEXT DEFAULT 'x'");
  }
  for (int i = 0; i < 3; ++i) {
    programs_.push_back(std::make_unique<Database>(path, Database::Mode::kProgram));
    seed_functions(*programs_.back(), engine_);
    programs_.back()->execute("PRAGMA synchronous = OFF");
    programs_.back()->execute("PRAGMA foreign_keys = " + std::to_string(below(2)));
    programs_.back()->execute("PRAGMA recursive_triggers = " + std::to_string(below(2)));
    programs_.back()->execute("PRAGMA secure_delete = " + one_of(engine_, {"0", "1", "fast"}));
    programs_.back()->execute("PRAGMA wal_autocheckpoint = " + one_of(engine_, {"1", "10", "100", "1000"}));
    programs_.back()->execute("PRAGMA cache_size = " + one_of(engine_, {"5", "2000"}));
    sqlite3_db_config(programs_.back()->handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, static_cast<int>(below(5) != 0),
                      nullptr);
  }
}

bool RandomHistory::run(Database& program, const std::string& sql) {
  try {
    program.execute(sql);
    last_ += sql + ";\n";
    return true;
  } catch (const SqliteError&) {
    return false;
  }
}

void RandomHistory::run_all(Database& program, const std::vector<std::string>& statements) {
  for (const std::string& statement : statements) {
    if (!run(program, statement)) return;
  }
}

std::string RandomHistory::text() {
  switch (below(8)) {
    case 0:
      return "hex(randomblob(" + std::to_string(below(6000)) + "))";
    case 1:
      return "replace(hex(zeroblob(" + std::to_string(below(300)) + ")), '00', 'é')";
    case 2:
      return "CAST(x'6100c3ff62' AS TEXT)";
    default:
      return "'t" + std::to_string(below(50)) + "'";
  }
}

std::string RandomHistory::value() {
  switch (below(10)) {
    case 0:
      return "NULL";
    case 1:
      return std::to_string(below(3)) + ".0";
    case 2:
      return "random()";
    case 3:
      return "random() / 1e10";
    case 4:
      return "randomblob(" + std::to_string(below(below(4) == 0 ? 20000 : 50)) + ")";
    case 5:
      return one_of(engine_, {"0", "1", "-1", "127", "-129", "40000", "8388608", "2147483648", "140737488355328",
                              "9007199254740993", "-9223372036854775808", "9e999", "-0.0"});
    default:
      return text();
  }
}

std::string RandomHistory::key() { return std::to_string(below(400)); }

std::string RandomHistory::statement() {
  const std::string or_what = one_of(engine_, {"", " OR IGNORE", " OR REPLACE", " OR REPLACE"});
  switch (below(22)) {
    case 0:
      return "INSERT" + or_what + " INTO plain VALUES(" + key() + "," + value() + "," + text() + "," + value() + ")";
    case 1:
      return "INSERT INTO plain(x, y) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
             std::to_string(below(200)) + ") SELECT i, hex(randomblob(i)) FROM n";
    case 2:
      return "UPDATE" + or_what + " plain SET id = id + " + std::to_string(below(3) * 1000) +
             ", z = 5 WHERE id % 7 = " + std::to_string(below(7));
    case 3:
      return "DELETE FROM plain WHERE id BETWEEN " + key() + " AND " + key();
    case 4:
    case 5:
      return "INSERT" + or_what + " INTO blobs VALUES(" + std::to_string(below(60)) + "," + text() + ",randomblob(" +
             std::to_string(below(below(3) == 0 ? 40000 : 2000)) + "))";
    case 6:
      return "UPDATE blobs SET big = zeroblob(length(big)) WHERE id % 5 = " + std::to_string(below(5));
    case 7:
      return "DELETE FROM blobs WHERE id % 9 = " + std::to_string(below(9));
    case 8:
      return "INSERT" + or_what + " INTO pairs(w, b, a, v) VALUES(" + key() + "," + text() + "," + value() + "," +
             value() + ")";
    case 9:
      return "UPDATE" + or_what + " pairs SET v = " + value() + ", w = w + 1 WHERE w % 3 = " + std::to_string(below(3));
    case 10:
      return "DELETE FROM pairs WHERE b = " + text() + " OR w > " + key();
    case 11:
      return "INSERT" + or_what + " INTO wide(k, w) VALUES(" + key() + " || hex(randomblob(" +
             std::to_string(below(700)) + "))," + value() + ")";
    case 12:
      return "DELETE FROM wide WHERE k < '" + key() + "'";
    case 13:
      return "INSERT" + or_what + " INTO words(x, k, r, u) VALUES(" + value() + "," + value() + "," + value() + "," +
             value() + ")";
    case 14:
      return "UPDATE" + or_what + " words SET k = " + text() + ", later = " + value() +
             " WHERE rowid % 11 = " + std::to_string(below(11));
    case 15:
      return "INSERT" + or_what + " INTO strict(n, id, a, t) VALUES(" + key() + "," + key() + "," + value() + "," +
             text() + ")";
    case 16:
      return one_of(engine_, {"DELETE FROM words", "DELETE FROM audit", "DELETE FROM keyless", "DELETE FROM wide",
                              "UPDATE words SET r = 3"});
    case 17:
      return "INSERT INTO parent(x) VALUES(" + value() + ")";
    case 18:
      return "INSERT" + or_what + " INTO child SELECT " + key() +
             ", id, x FROM parent WHERE id % 4 = " + std::to_string(below(4)) + " LIMIT 1";
    case 19:
      return below(2) == 0 ? "DELETE FROM parent WHERE id % 5 = " + std::to_string(below(5))
                           : "UPDATE parent SET x = " + value() + " WHERE id % 3 = 0";
    case 20:
      return below(2) == 0 ? "INSERT INTO keyless VALUES(" + text() + "," + value() + ")"
                           : "UPDATE keyless SET b = zeroblob(5000) WHERE rowid % 3 = 0";
    default:
      return "INSERT INTO boxes VALUES(" + key() + ", 1, 2)";
  }
}

std::string RandomHistory::extra() { return "e" + std::to_string(below(4)); }

// Of a change of the schema, or of rows in a table that was made by one.
std::vector<std::string> RandomHistory::schema_statements() {
  const std::string table = extra(), number = std::to_string(below(1000)), column = one_of(engine_, {"a", "b", "c"});
  switch (below(22)) {
    case 0:
      return {"CREATE TABLE " + table + "(k INTEGER PRIMARY KEY, a, b TEXT)"};
    case 1:
      return {"CREATE TABLE " + table + "(b, k TEXT COLLATE NOCASE PRIMARY KEY, a REAL) WITHOUT ROWID",
              "INSERT INTO " + table + " SELECT x, 'k' || id, id FROM plain LIMIT 50"};
    case 2:
      return {"DROP TABLE " + table};
    case 3:
      return {"ALTER TABLE " + table + " ADD COLUMN c" + number +
              one_of(engine_, {"", " DEFAULT 5", " TEXT DEFAULT 'x'"})};
    case 4:
      return {"ALTER TABLE " + one_of(engine_, RandomHistory::tables()) + " ADD COLUMN c" + number};
    case 5:
      return {"ALTER TABLE " + table + " RENAME TO " + extra()};
    case 6:
      return {"ALTER TABLE " + table + " RENAME COLUMN " + column + " TO " + column + number};
    case 7:
      return {"ALTER TABLE " + table + " DROP COLUMN " + column};
    case 8:
      return {"CREATE TABLE remade(k INTEGER PRIMARY KEY, b, a INT, d DEFAULT 3)",
              "INSERT INTO remade(k, a) SELECT k, a FROM " + table, "DROP TABLE " + table,
              "ALTER TABLE remade RENAME TO " + table};
    case 9:
      return {"CREATE INDEX i" + number + " ON " + table + "(" + column + ")"};
    case 10:
      return {"CREATE VIEW v" + number + " AS SELECT * FROM " + table};
    case 11:
      return {"DROP VIEW v" + number, "DROP TABLE remade"};
    case 12:
      return {"CREATE TABLE l" + std::to_string(below(3)) + " AS SELECT 1 AS k",
              "DROP TABLE l" + std::to_string(below(3))};
    case 13:
      return {"VACUUM"};
    case 14:
      return {"ANALYZE"};
    default:
      return {one_of(
          engine_,
          {"INSERT OR REPLACE INTO " + table + "(k, a) VALUES(" + key() + "," + value() + ")",
           "INSERT INTO " + table + " DEFAULT VALUES", "UPDATE " + table + " SET a = " + value() + " WHERE k % 3 = 0",
           "UPDATE " + table + " SET " + column + " = " + value(), "DELETE FROM " + table + " WHERE k > " + key()})};
  }
}

void RandomHistory::write_blob(Database& program) {
  const std::string table = one_of(engine_, {"blobs", "keyless"});
  const std::string column = table == "blobs" ? "big" : "b";
  Statement row(program, "SELECT rowid, length(" + column + ") FROM " + table + " WHERE typeof(" + column +
                             ") = 'blob' AND length(" + column + ") > 4 ORDER BY random() LIMIT 1");
  if (!row.step()) return;
  sqlite3_blob* blob = nullptr;
  const std::int64_t id = row.integer(0), size = row.integer(1);
  row.reset();
  if (sqlite3_blob_open(program.handle(), "main", table.c_str(), column.c_str(), id, 1, &blob) == SQLITE_OK) {
    const std::uint32_t bytes = below(1u << 30);
    sqlite3_blob_write(blob, &bytes, 4, static_cast<int>(below(static_cast<std::uint32_t>(size - 4))));
    last_ += "blob write of " + table + "\n";
  }
  sqlite3_blob_close(blob);
}

void RandomHistory::checkpoint(Database& program) {
  sqlite3_busy_timeout(program.handle(), 0);
  run(program, "PRAGMA wal_checkpoint(" + one_of(engine_, {"PASSIVE", "PASSIVE", "FULL", "RESTART", "TRUNCATE"}) + ")");
  sqlite3_busy_timeout(program.handle(), 5000);
}

void RandomHistory::transaction(Database& program) {
  run(program, "BEGIN");
  for (std::uint32_t i = below(6); i < 6; ++i) {
    if (below(12) == 0) run(program, "SAVEPOINT s");
    if (below(9) == 0) write_blob(program);
    if (changes_schema && below(2) == 0) {
      run_all(program, schema_statements());
    }
    run(program, statement());
    if (below(12) == 0) run(program, "ROLLBACK TO s");
  }
  run(program, below(10) == 0 ? "ROLLBACK" : "COMMIT");
  if (program.in_transaction()) run(program, "ROLLBACK");
}

void RandomHistory::step() {
  last_.clear();
  Database& program = *programs_[below(static_cast<std::uint32_t>(programs_.size()))];
  const std::uint32_t what = below(20);
  if (what == 0) return checkpoint(program);
  if (what == 1) return static_cast<void>(run(program, "PRAGMA incremental_vacuum(" + std::to_string(below(20)) + ")"));
  if (changes_schema && what < 8) {
    run_all(program, schema_statements());
    return;
  }
  if (what < 6) {
    if (below(4) == 0) return write_blob(program);
    run(program, statement());
    return;
  }
  transaction(program);
}

}  // namespace colony::unit
