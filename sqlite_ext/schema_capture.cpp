#include "sqlite_ext/schema_capture.h"

#include "sqlite_ext/crash_step.h"

namespace colony {

SchemaCapture::SchemaCapture(sqlite3* db, std::string schema, const SqliteHost& host,
                             const std::optional<SpillSettings>& spill)
    : db_(db),
      host_(host),
      schema_(std::move(schema)),
      recorder_(db, schema_, host, spill ? *spill : spill_beside(sqlite3_db_filename(db, schema_.c_str()))),
      outbox_(db, schema_) {}

void SchemaCapture::release_statements() {
  outbox_.release_statements();
  recorder_.release_statements();
}

std::vector<std::string> SchemaCapture::query_names(const std::string& sql) {
  constexpr const char* kCannotRead = "cannot read the list of tables";
  std::vector<std::string> names;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) throw_record_error(db_, kCannotRead);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    names.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
  }
  if (sqlite3_finalize(statement) != SQLITE_OK) throw_record_error(db_, kCannotRead);
  return names;
}

void SchemaCapture::load_tables() {
  const std::string s = quoted(schema_);
  const std::vector<std::string> strangers =
      query_names("SELECT tbl_name FROM " + s + ".sqlite_schema WHERE type = 'trigger' AND name GLOB " +
                  "'__colony_insert_*' AND tbl_name NOT IN (SELECT name FROM " + s + ".__colony_tables)");
  guarded_strangers_ = {strangers.begin(), strangers.end()};
  recorder_.set_tables(query_names("SELECT name FROM " + s + ".__colony_tables ORDER BY name"));
  tables_known_ = true;
}

void SchemaCapture::record(int op, const char* table, sqlite3_int64 old_rowid) {
  if (outbox_.is_writing()) return;
  written_ = false;
  if (!guarded_strangers_.empty() && guarded_strangers_.contains(table)) {
    throw RecordError(std::string("table ") + table +
                      " is not one of those that this file replicates; if it was renamed, run colony init again");
  }
  recorder_.record(op, table, old_rowid);
  COLONY_STEP("capture.recorded");
}

void SchemaCapture::truncate_marks(int level) {
  std::erase_if(marks_, [level](const Mark& mark) { return mark.level >= level; });
}

void SchemaCapture::savepoint(int level) {
  truncate_marks(level);
  marks_.push_back({level, recorder_.mark()});
  COLONY_STEP("capture.savepoint");
}

void SchemaCapture::release(int level) {
  truncate_marks(level);
  COLONY_STEP("capture.released");
}

// The savepoint itself stays, so its mark does too. SQLite tells only of the innermost of
// those that were open before the first change: the others have no mark, and nothing was
// recorded before them.
void SchemaCapture::rollback_to(int level) {
  std::size_t at = 0;
  for (const Mark& mark : marks_) {
    if (mark.level == level) at = mark.at;
  }
  recorder_.truncate(at);
  std::erase_if(marks_, [level](const Mark& mark) { return mark.level > level; });
  written_ = false;
  COLONY_STEP("capture.rolled_back_to");
}

void SchemaCapture::sync() {
  if (written_ || (recorder_.empty() && !outbox_.has_written())) return;
  COLONY_STEP("capture.sync");
  const KeepCounters keep(db_, host_);
  outbox_.write(recorder_);
  written_ = true;
  COLONY_STEP("capture.synced");
}

void SchemaCapture::clear() {
  marks_.clear();
  recorder_.clear();
  outbox_.clear();
  written_ = false;
}

}  // namespace colony
