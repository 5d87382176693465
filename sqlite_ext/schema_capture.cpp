#include "sqlite_ext/schema_capture.h"

#include <memory>

#include "sqlite_ext/crash_step.h"

namespace colony {

SchemaCapture::SchemaCapture(sqlite3* db, std::string schema, const SqliteHost& host,
                             const std::optional<SpillSettings>& spill)
    : db_(db),
      host_(host),
      schema_(std::move(schema)),
      recorder_(db, schema_, host, spill ? *spill : spill_beside(sqlite3_db_filename(db, schema_.c_str()))),
      outbox_(db, schema_),
      judge_(db, schema_) {}

void SchemaCapture::release_statements() {
  outbox_.release_statements();
  recorder_.release_statements();
  sqlite3_finalize(read_version_);
  read_version_ = nullptr;
}

sqlite3_int64 SchemaCapture::schema_version() {
  constexpr const char* kCannotRead = "cannot read the schema's version";
  if (read_version_ == nullptr) {
    const std::string sql = "PRAGMA " + quoted(schema_) + ".schema_version";
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &read_version_, nullptr) != SQLITE_OK) {
      throw_record_error(db_, kCannotRead);
    }
  }
  const bool is_there = sqlite3_step(read_version_) == SQLITE_ROW;
  const sqlite3_int64 version = is_there ? sqlite3_column_int64(read_version_, 0) : 0;
  if (sqlite3_reset(read_version_) != SQLITE_OK) throw_record_error(db_, kCannotRead);
  return version;
}

void SchemaCapture::begin(bool is_watched) {
  begun_version_ = is_watched && tables_known_ ? loaded_version_ : schema_version();
  // colony init may have agreed to what was refused, without changing the schema.
  if (!tables_known_ || loaded_version_ != begun_version_ || !refused_.empty()) load_tables();
  takes_part_ = true;
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
  refused_.clear();
  tables_known_ = true;
  loaded_version_ = schema_version();
  // An operator may be at it.
  if (sqlite3_table_column_metadata(db_, schema_.c_str(), "__colony_tables", nullptr, nullptr, nullptr, nullptr,
                                    nullptr, nullptr) != SQLITE_OK) {
    recorder_.set_tables({});
    return;
  }
  tables_known_ = false;
  judge_.load();
  for (const std::string& name : query_names("SELECT tbl_name FROM " + s +
                                             ".sqlite_schema WHERE type = 'trigger' AND name GLOB "
                                             "'__colony_insert_*' AND tbl_name NOT IN (SELECT name FROM " +
                                             s + ".__colony_tables)")) {
    refused_[name] =
        "table " + name + " is not one of those that this file replicates; if it was renamed, run colony init again";
  }
  recorder_.set_tables(judge_.replicated());
  judge_.note_missing();
  tables_known_ = true;
}

void SchemaCapture::before_schema_change() {
  before_statement();
  judge_.note_before();
  tables_known_ = written_ = false;
}

bool SchemaCapture::concerns(const char* table) {
  if (!tables_known_) load_tables();
  return recorder_.records(table) || refused_.contains(table) || !judge_.may_have_rows(table);
}

void SchemaCapture::record(int op, const char* table, sqlite3_int64 old_rowid) {
  if (syncing_) return;
  if (!tables_known_) load_tables();
  written_ = false;
  if (!refused_.empty()) {
    if (const auto refused = refused_.find(table); refused != refused_.end()) {
      if (allows_schema_changes_) return;
      throw RecordError(refused->second);
    }
  }
  if (!recorder_.record(op, table, old_rowid)) {
    if (!judge_.may_have_rows(table) && (strangers_.empty() || strangers_.back() != table)) {
      strangers_.emplace_back(table);
    }
    return;
  }
  COLONY_STEP("capture.recorded");
}

// Each table is looked at when rows of it have changed for the first time since the
// tables were read.
void SchemaCapture::judge_touched() {
  std::string refusal;
  for (const std::string& table : recorder_.take_newly_touched()) {
    const std::string& trouble = judge_.trouble_with(table);
    if (trouble.empty()) continue;
    refused_[table] = "table " + table + " is no longer what colony init has seen, it " + trouble +
                      ": run colony init again on every node, with the programs that write stopped: see Schema "
                      "changes in docs/operations.md";
    if (refusal.empty()) refusal = "colony: " + refused_[table];
  }
  if (!refusal.empty() && !allows_schema_changes_) throw RecordError(refusal);
}

void SchemaCapture::truncate_marks(int level) {
  std::erase_if(marks_, [level](const Mark& mark) { return mark.level >= level; });
}

void SchemaCapture::savepoint(int level) {
  truncate_marks(level);
  marks_.push_back({level, recorder_.mark(), judge_.mark()});
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
  Mark back{level, 0, 0};
  for (const Mark& mark : marks_) {
    if (mark.level == level) back = mark;
  }
  recorder_.truncate(back.at);
  judge_.go_back(back.missing);
  std::erase_if(marks_, [level](const Mark& mark) { return mark.level > level; });
  // The schema may have gone back too, to what its version does not tell.
  if (judge_.has_noted()) tables_known_ = false;
  written_ = false;
  COLONY_STEP("capture.rolled_back_to");
}

void SchemaCapture::sync(bool is_watched) {
  if (written_) return;
  syncing_ = true;
  const std::unique_ptr<bool, void (*)(bool*)> end(&syncing_, [](bool* syncing) { *syncing = false; });
  const sqlite3_int64 version = is_watched && tables_known_ ? loaded_version_ : schema_version();
  const bool schema_changed = judge_.has_noted() || (!made_ && version != begun_version_);
  if (recorder_.empty() && !outbox_.has_written() && !schema_changed && strangers_.empty()) return;
  COLONY_STEP("capture.sync");
  const KeepCounters keep(db_, host_);
  if (!tables_known_ || version != loaded_version_) load_tables();
  std::set<std::string> left_alone;
  if (allows_schema_changes_) {
    left_alone = judge_.spoilt();
    judge_touched();
    for (const auto& [table, why] : refused_) left_alone.insert(table);
  } else {
    judge_.judge();
    judge_touched();
    for (const std::string& table : strangers_) judge_.judge_new(table);
  }
  judge_.agree_on_extensions();
  outbox_.write(recorder_, left_alone);
  written_ = true;
  COLONY_STEP("capture.synced");
}

void SchemaCapture::clear() {
  marks_.clear();
  recorder_.clear();
  outbox_.clear();
  if (judge_.has_noted()) tables_known_ = false;  // which a rollback has taken back
  judge_.clear();
  strangers_.clear();
  written_ = takes_part_ = made_ = false;
}

}  // namespace colony
