#include "tests/bench/workload.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>

namespace colony::bench {
namespace {

Cell integer(std::int64_t value) { return {ValueType::kInteger, value, {}}; }
Cell text(std::string value) { return {ValueType::kText, 0, std::move(value)}; }

Cell hash_blob(std::mt19937_64& random) {
  Cell cell{ValueType::kBlob, 0, {}};
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t word = random();
    cell.bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return cell;
}

constexpr std::int64_t kEpoch = 1'700'000'000'000;  // milliseconds

std::vector<Cell> object_row(std::mt19937_64& random, std::int64_t number) {
  const auto owner = static_cast<std::int64_t>(random() % 100);
  return {text(fmt::format("bucket-{:02}/{:016x}.jpg", owner, random())),
          integer(static_cast<std::int64_t>(random() % 10'000'000)), hash_blob(random), integer(owner),
          integer(kEpoch + number)};
}

std::vector<Cell> note_row(std::mt19937_64& random, std::int64_t number) {
  return {integer(number), text(fmt::format("note {:016x}", random()))};
}

constexpr TableKind kObjects = {
    "objects",
    "objects(key TEXT PRIMARY KEY, size INTEGER, hash BLOB UNIQUE, owner INTEGER, modified INTEGER), an index on "
    "(owner, modified); UPDATEs change size, hash and modified",
    "CREATE TABLE objects(key TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, hash BLOB NOT NULL, "
    "owner INTEGER NOT NULL, modified INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX objects_by_hash ON objects(hash);"
    "CREATE INDEX objects_by_owner ON objects(owner, modified);",
    {"INSERT INTO objects(key, size, hash, owner, modified) VALUES(?1, ?2, ?3, ?4, ?5)",
     "UPDATE objects SET size = ?2, hash = ?3, modified = ?5 WHERE key = ?1", "DELETE FROM objects WHERE key = ?1"},
    {"key", "size", "hash", "owner", "modified"},
    "hash",
    object_row,
};

constexpr TableKind kNotes = {
    "notes",
    "notes(id INTEGER PRIMARY KEY, body TEXT)",
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    {"INSERT INTO notes(id, body) VALUES(?1, ?2)", "UPDATE notes SET body = ?2 WHERE id = ?1",
     "DELETE FROM notes WHERE id = ?1"},
    {"id", "body"},
    "",
    note_row,
};

void load_extension(Database& db, const std::string& extension) {
  sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  char* why = nullptr;
  if (sqlite3_load_extension(db.handle(), extension.c_str(), nullptr, &why) == SQLITE_OK) return;
  const std::string text = why != nullptr ? why : "unknown";
  sqlite3_free(why);
  throw Error("cannot load " + extension + ": " + text);
}

void bind(Statement& statement, int index, const Cell& cell) {
  switch (cell.type) {
    case ValueType::kInteger:
      statement.bind(index, cell.integer);
      break;
    case ValueType::kText:
      statement.bind(index, std::string_view(cell.bytes));
      break;
    default:
      statement.bind_blob(index, cell.bytes);
  }
}

}  // namespace

const TableKind& objects_table() { return kObjects; }
const TableKind& notes_table() { return kNotes; }

RowChange Workload::next(Verb verb) {
  RowChange change{verb, {}};
  if (verb == Verb::kDelete) {
    change.parameters.push_back(std::move(keys_.front()));
    keys_.pop_front();
    return change;
  }
  change.parameters = kind_.row(random_, ++number_);
  if (verb == Verb::kUpdate) {
    change.parameters.front() = std::move(keys_.front());
    keys_.pop_front();
  }
  keys_.push_back(change.parameters.front());
  return change;
}

std::vector<RowChange> Workload::next(Verb verb, std::size_t count) {
  std::vector<RowChange> changes;
  changes.reserve(count);
  while (changes.size() < count) changes.push_back(next(verb));
  return changes;
}

App::App(const std::string& path, const TableKind& kind, const std::optional<std::string>& extension)
    : db_(path, Database::Mode::kReadWrite) {
  sqlite3_busy_timeout(db_.handle(), 10'000);
  if (extension) load_extension(db_, *extension);
  db_.query_text("PRAGMA journal_mode = WAL");
  db_.execute("PRAGMA synchronous = NORMAL");
  for (const Verb verb : kVerbs) {
    const auto index = static_cast<std::size_t>(verb);
    statements_[index] = Statement(db_, kind.statements[index]);
  }
  begin_ = Statement(db_, "BEGIN IMMEDIATE");
  commit_ = Statement(db_, "COMMIT");
}

void App::execute(const RowChange& change) {
  Statement& statement = statements_[static_cast<std::size_t>(change.verb)];
  // An UPDATE does not use all that a row has.
  const auto used = static_cast<std::size_t>(sqlite3_bind_parameter_count(statement.handle()));
  for (std::size_t i = 0; i < std::min(used, change.parameters.size()); ++i) {
    bind(statement, static_cast<int>(i + 1), change.parameters[i]);
  }
  statement.run();
  if (!insert_own_outbox_) return;
  for (const Cell& cell : change.parameters) {
    if (cell.type == ValueType::kInteger) {
      noted_.append(reinterpret_cast<const char*>(&cell.integer), sizeof cell.integer);
    } else {
      noted_.append(cell.bytes);
    }
  }
}

void App::execute(const std::vector<RowChange>& changes, std::size_t rows_per_transaction) {
  if (rows_per_transaction == 1 && !insert_own_outbox_) {
    for (const RowChange& change : changes) execute(change);
    return;
  }
  for (std::size_t at = 0; at < changes.size();) {
    begin_.run();
    const std::size_t end = std::min(at + rows_per_transaction, changes.size());
    for (; at < end; ++at) execute(changes[at]);
    if (insert_own_outbox_) {
      insert_own_outbox_.bind_blob(1, noted_).run();
      noted_.clear();
    }
    commit_.run();
  }
}

void App::keep_own_outbox() {
  db_.execute("CREATE TABLE own_outbox(id INTEGER PRIMARY KEY, changes BLOB)");
  insert_own_outbox_ = Statement(db_, "INSERT INTO own_outbox(changes) VALUES(?1)");
}

void App::checkpoint() { db_.query_text("PRAGMA wal_checkpoint(RESTART)"); }

namespace {

void create_table(const std::string& path, const TableKind& kind) {
  { const std::ofstream empty(path, std::ios::trunc); }
  Database(path, Database::Mode::kReadWrite).execute(kind.create);
}

}  // namespace

void create_file(const std::string& path, const TableKind& kind, const std::vector<RowChange>& rows) {
  create_table(path, kind);
  App(path, kind).execute(rows, 1000);
}

void create_file(const std::string& path, const TableKind& kind, Workload& workload, std::int64_t rows) {
  constexpr std::int64_t kChunk = 50'000;
  create_table(path, kind);
  App app(path, kind);
  app.database().execute("PRAGMA cache_size = -2000000");  // keys are random: all of the tables' trees are touched
  for (std::int64_t done = 0; done < rows;) {
    const std::int64_t count = std::min(kChunk, rows - done);
    app.execute(workload.next(Verb::kInsert, static_cast<std::size_t>(count)), static_cast<std::size_t>(count));
    done += count;
  }
  app.checkpoint();
}

}  // namespace colony::bench
