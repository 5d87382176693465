#include "sqlite_ext/schema_capture.h"

#include <algorithm>
#include <memory>

#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/guard_index.h"
#include "sqlite_ext/schema_transaction.h"
#include "sqlite_ext/table_statement.h"

namespace colony {
namespace {

class WhileSyncing {
 public:
  explicit WhileSyncing(bool& syncing) : syncing_(syncing) { syncing_ = true; }
  ~WhileSyncing() { syncing_ = false; }
  WhileSyncing(const WhileSyncing&) = delete;
  WhileSyncing& operator=(const WhileSyncing&) = delete;

 private:
  bool& syncing_;
};

}  // namespace

SchemaCapture::SchemaCapture(sqlite3* db, std::string schema, const SqliteHost& host,
                             const std::optional<SpillSettings>& spill)
    : db_(db),
      host_(host),
      schema_(std::move(schema)),
      recorder_(db, schema_, host, spill ? *spill : spill_beside(sqlite3_db_filename(db, schema_.c_str()))),
      outbox_(db, schema_),
      judge_(db, schema_, host) {}

void SchemaCapture::release_statements() {
  outbox_.release_statements();
  recorder_.release_statements();
}

// Asked for where nobody tells of changes: the statement is not kept, for nothing may be left
// when the connection closes, and that is told to connected tables only.
sqlite3_int64 SchemaCapture::schema_version() {
  constexpr const char* kCannotRead = "cannot read the schema's version";
  const std::string sql = "PRAGMA " + quoted(schema_) + ".schema_version";
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) throw_record_error(db_, kCannotRead);
  const bool is_there = sqlite3_step(statement) == SQLITE_ROW;
  const sqlite3_int64 version = is_there ? sqlite3_column_int64(statement, 0) : 0;
  if (sqlite3_finalize(statement) != SQLITE_OK) throw_record_error(db_, kCannotRead);
  return version;
}

void SchemaCapture::begin(bool is_watched) {
  if (awaits_another_run_) clear();
  begun_version_ = is_watched && tables_known_ ? loaded_version_ : schema_version();
  if (tables_known_ && judge_.is_unconfirmed() && judge_.is_confirmed_now()) tables_known_ = false;
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
    recorder_.set_tables(std::vector<std::string>());
    return;
  }
  tables_known_ = false;
  judge_.load();
  if (!judge_.has_noted()) find_renamed();
  set_tables();
  judge_.note_missing();
  tables_known_ = true;
}

// Tables that a connection without colony.so has renamed.
void SchemaCapture::find_renamed() {
  const std::string s = quoted(schema_);
  for (const std::string& name : query_names("SELECT tbl_name FROM " + s +
                                             ".sqlite_schema WHERE type = 'trigger' AND name GLOB "
                                             "'__colony_insert_*' AND tbl_name NOT IN (SELECT name FROM " +
                                             s + ".__colony_tables)")) {
    refused_[name] =
        "table " + name + " is not one of those that this file replicates; if it was renamed, run colony init again";
  }
}

// What a transaction that changes the schema has of rows names their columns, and so does what
// comes before the log has that change. New tables are read as a whole at the commit.
void SchemaCapture::set_tables() {
  std::vector<Recorder::RecordedTable> tables;
  if (!judge_.has_noted()) {
    for (const std::string& name : judge_.replicated()) {
      tables.push_back({name, name, judge_.is_unconfirmed()});
    }
  } else {
    for (const auto& [name, fate] : judge_.fates()) {
      if (!fate.is_gone) tables.push_back({fate.name, name, true});
    }
  }
  recorder_.set_tables(tables, judge_.has_noted());
}

void SchemaCapture::before_statement() {
  if (awaits_another_run_) clear();
  if (!takes_part_) return;
  runs_alone_ = false;
  settle_history();
  if (!tables_known_) load_tables();
}

void SchemaCapture::before_schema_change(const char* text) {
  before_statement();
  judge_.note_before();
  runs_alone_ = sqlite3_get_autocommit(db_) != 0;
  tables_known_ = written_ = false;
  before_statement_ = recorder_.mark();
  std::optional<TableStatement> statement = table_statement(text);
  if (!statement) return;
  const std::string table = statement->table, column = statement->column;
  const bool drops_column = statement->kind == TableStatement::Kind::kDropColumn;
  judge_.history().begin(std::move(*statement));
  const std::string former = judge_.history().at_stake();
  if (former.empty() || !recorder_.records(table.c_str())) return;
  recorder_.record_all(table, Operation::kDelete);
  const WhileSyncing writing(syncing_);
  if (drops_column) leave_out_of_guard_index(db_, host_, schema_, table, column);
  dropping_ = table;  // which foreign keys may have delete its rows one by one
}

void SchemaCapture::settle_history() {
  dropping_.clear();
  if (judge_.history().is_settled()) return;
  tables_known_ = false;
  if (!judge_.history().settle()) forget_statement();
}

// It has failed, and what it was going to drop is still there. Savepoints that were made since
// stand where it began.
void SchemaCapture::forget_statement() {
  recorder_.truncate(std::min(before_statement_, recorder_.mark()));
  const SchemaJudge::Mark schema = judge_.mark();
  for (Mark& mark : marks_) {
    mark.at = std::min(mark.at, recorder_.mark());
    mark.schema.statements = std::min(mark.schema.statements, schema.statements);
  }
}

bool SchemaCapture::rolled_back() {
  if (!std::exchange(runs_alone_, false)) {
    clear();
    return false;
  }
  marks_.clear();
  outbox_.clear();
  takes_part_ = tables_known_ = written_ = false;
  awaits_another_run_ = true;
  return true;
}

void SchemaCapture::sync_another_run() {
  takes_part_ = true;
  sync(false);
  takes_part_ = false;
}

bool SchemaCapture::concerns(const char* table) {
  if (!tables_known_) load_tables();
  return recorder_.records(table) || refused_.contains(table) || !judge_.may_have_rows(table);
}

void SchemaCapture::record(int op, const char* table, sqlite3_int64 old_rowid) {
  if (syncing_) return;
  if (!tables_known_) load_tables();
  written_ = false;
  if (!dropping_.empty() && op == SQLITE_DELETE && sqlite3_stricmp(dropping_.c_str(), table) == 0) return;
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
  const std::map<std::string, TableFate> fates = judge_.fates();
  for (const std::string& table : recorder_.take_newly_touched()) {
    if (const auto fate = fates.find(table); fate != fates.end() && !allows_schema_changes_) continue;  // judge() has
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
  Mark back{level, 0, {}};
  for (const Mark& mark : marks_) {
    if (mark.level == level) back = mark;
  }
  recorder_.truncate(back.at);
  judge_.go_back(back.schema);
  dropping_.clear();
  std::erase_if(marks_, [level](const Mark& mark) { return mark.level > level; });
  // The schema may have gone back too, to what its version does not tell.
  if (judge_.has_noted()) tables_known_ = false;
  written_ = false;
  COLONY_STEP("capture.rolled_back_to");
}

void SchemaCapture::sync(bool is_watched) {
  if (written_) return;
  const WhileSyncing writing(syncing_);
  settle_history();
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
    const std::vector<std::string> new_tables = judge_.new_tables();
    for (const std::string& table : strangers_) {
      const bool is_new = std::find(new_tables.begin(), new_tables.end(), table) != new_tables.end();
      if (!is_new && !judge_.is_remade(table)) judge_.judge_new(table);
    }
    if (judge_.has_noted()) return write_with_schema(new_tables);
  }
  judge_.agree_on_extensions();
  outbox_.write(recorder_, left_alone);
  written_ = true;
  COLONY_STEP("capture.synced");
}

void SchemaCapture::write_with_schema(const std::vector<std::string>& new_tables) {
  SchemaTransaction(db_, schema_, recorder_, judge_, outbox_).write(new_tables);
  tables_known_ = false;
  written_ = true;
}

void SchemaCapture::clear() {
  marks_.clear();
  recorder_.clear();
  outbox_.clear();
  if (judge_.has_noted()) tables_known_ = false;  // which a rollback has taken back
  judge_.clear();
  strangers_.clear();
  dropping_.clear();
  written_ = takes_part_ = made_ = runs_alone_ = awaits_another_run_ = false;
}

}  // namespace colony
