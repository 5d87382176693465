#include "sqlite_ext/schema_judge.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/guard_index.h"
#include "sqlite_ext/recorder.h"

namespace colony {
namespace {

constexpr const char* kCannotRead = "cannot read the schema";

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, Finalize>;

StatementHandle prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  return StatementHandle(statement);
}

bool step(sqlite3* db, const StatementHandle& statement) {
  const int rc = sqlite3_step(statement.get());
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) throw_record_error(db, kCannotRead);
  return rc == SQLITE_ROW;
}

std::string text(const StatementHandle& statement, int column) {
  const auto* value = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), column));
  return value == nullptr ? std::string() : std::string(value);
}

bool is_own(const std::string& name) { return name.starts_with("__colony_"); }

}  // namespace

std::string schema_refusal(const std::string& table, const std::string& why) {
  return "colony: table " + table + " " + why +
         ", which would make the nodes differ: stop the programs that write, and make the change on every node: see "
         "Schema changes in docs/operations.md";
}

void SchemaJudge::load() {
  may_have_rows_.clear();
  guards_.reset();
  definitions_.reset();
  load_meta();
  load_agreed();
}

void SchemaJudge::load_meta() {
  bool left_out_known = false, chosen = false;
  guards_by_index_ = false;
  const StatementHandle meta = prepare(db_, "SELECT key, value FROM " + quoted(schema_) +
                                                ".__colony_meta WHERE key IN ('guard', 'left_out_known', 'tables')");
  while (step(db_, meta)) {
    const std::string key = text(meta, 0), value = text(meta, 1);
    if (key == "guard") guards_by_index_ = value == "index";
    if (key == "left_out_known") left_out_known = value == "1";
    if (key == "tables") chosen = value == "chosen";
  }
  judges_new_tables_ = left_out_known && !chosen;
  left_out_.clear();
  if (!judges_new_tables_) return;
  const StatementHandle names = prepare(db_, "SELECT name FROM " + quoted(schema_) + ".__colony_left_out");
  while (step(db_, names)) left_out_.insert(text(names, 0));
}

void SchemaJudge::load_agreed() {
  agreed_.clear();
  const std::string table = quoted(schema_) + ".__colony_tables";
  sqlite3_stmt* statement = nullptr;
  // A file of an older format has no definitions.
  if (sqlite3_prepare_v2(db_, ("SELECT name, definition FROM " + table).c_str(), -1, &statement, nullptr) !=
      SQLITE_OK) {
    statement = prepare(db_, "SELECT name, '' FROM " + table).release();
  }
  const StatementHandle select(statement);
  while (step(db_, select)) agreed_.emplace(text(select, 0), Agreed{text(select, 1), std::nullopt, false});
}

std::vector<std::string> SchemaJudge::replicated() const {
  std::vector<std::string> names;
  for (const auto& [name, agreed] : agreed_) names.push_back(name);
  return names;
}

SchemaJudge::Entries SchemaJudge::read_entries() {
  Entries entries;
  const StatementHandle all = prepare(db_, "SELECT tbl_name, type, name, sql, rowid FROM " + quoted(schema_) +
                                               ".sqlite_schema ORDER BY tbl_name, type, name");
  while (step(db_, all)) {
    Entry& entry = entries[text(all, 0)];
    const std::string type = text(all, 1);
    if (type == "table" || type == "view") {
      entry.type = type;
      entry.rowid = sqlite3_column_int64(all.get(), 4);
    }
    entry.all += type + " " + text(all, 2) + " " + text(all, 3) + "\n";
  }
  return entries;
}

bool SchemaJudge::may_have_rows(const std::string& table) {
  if (!judges_new_tables_ || is_own(table) || table.starts_with("sqlite_") || left_out_.contains(table)) return true;
  const auto known = may_have_rows_.find(table);
  if (known != may_have_rows_.end()) return known->second;
  bool ordinary = false;
  const StatementHandle type = prepare(
      db_, "SELECT 1 FROM pragma_table_list(?1) WHERE schema = ?2 COLLATE NOCASE AND name = ?1 AND type = 'table'");
  sqlite3_bind_text(type.get(), 1, table.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(type.get(), 2, schema_.c_str(), -1, SQLITE_STATIC);
  ordinary = step(db_, type);
  const bool may = !ordinary || !load_captured_table(db_, schema_, table);
  may_have_rows_.emplace(table, may);
  return may;
}

const std::string& SchemaJudge::trouble_with(const std::string& table) {
  static const std::string none;
  const auto found = agreed_.find(table);
  if (found == agreed_.end()) return none;
  if (!found->second.trouble) found->second.trouble = find_trouble(table, found->second);
  return *found->second.trouble;
}

std::string SchemaJudge::find_trouble(const std::string& table, Agreed& agreed) {
  agreed.extended = false;
  if (!agreed.definition.empty()) {
    if (!definitions_) definitions_.emplace(db_, schema_);
    const std::optional<std::string> now = definitions_->read(table);
    if (!now) return "is gone";
    const DefinitionVerdict verdict = judge_definition(agreed.definition, *now);
    if (verdict.change == DefinitionChange::kOther) return "was changed (" + verdict.what + ")";
    agreed.extended = verdict.change == DefinitionChange::kExtended;
  }
  return has_guards(table) ? "" : "has lost what Colony had put on it (triggers or indexes named __colony_*)";
}

// sqlite_schema has no index: it is read once for all tables.
bool SchemaJudge::has_guards(const std::string& table) {
  if (!guards_) {
    guards_.emplace();
    const StatementHandle own =
        prepare(db_, "SELECT tbl_name, name FROM " + quoted(schema_) +
                         ".sqlite_schema WHERE type IN ('trigger', 'index') AND substr(name, 1, 9) = '__colony_'");
    while (step(db_, own)) {
      const std::string of = text(own, 0), name = text(own, 1);
      const bool is_trigger =
          name == "__colony_insert_" + of || name == "__colony_update_" + of || name == "__colony_delete_" + of;
      if (is_trigger || (guards_by_index_ && name == guard_index_name(of))) ++(*guards_)[of];
    }
  }
  const auto found = guards_->find(table);
  return found != guards_->end() && found->second == (guards_by_index_ ? 4 : 3);
}

void SchemaJudge::note_before() {
  if (!before_) before_ = read_entries();
}

void SchemaJudge::note_missing() {
  if (!before_) return;
  std::set<std::string> present(missing_.begin(), missing_.end());
  const StatementHandle names =
      prepare(db_, "SELECT name FROM " + quoted(schema_) + ".sqlite_schema WHERE type = 'table'");
  while (step(db_, names)) present.insert(text(names, 0));
  for (const auto& [name, entry] : *before_) {
    if (entry.type == "table" && agreed_.contains(name) && !present.contains(name)) missing_.push_back(name);
  }
}

// Empty if it is as it was, or as it may be.
std::string SchemaJudge::what_happened(const std::string& table, const Entries& now) {
  const auto was = std::as_const(*before_).find(table);
  const auto is = now.find(table);
  if (was == before_->end() || was->second.type != "table") return "";  // it was missing before
  if (is == now.end() || is->second.type != "table") {
    for (const auto& [name, entry] : now) {
      if (entry.all.find("trigger __colony_insert_" + table + " ") != std::string::npos)
        return "was renamed to " + name;
    }
    return "was dropped";
  }
  const bool was_missing = std::find(missing_.begin(), missing_.end(), table) != missing_.end();
  if (was_missing || was->second.rowid != is->second.rowid) return "was made anew";
  return was->second.all == is->second.all ? "" : trouble_with(table);
}

std::set<std::string> SchemaJudge::spoilt() {
  std::set<std::string> tables;
  if (!before_) return tables;
  const Entries now = read_entries();
  for (const auto& [table, agreed] : agreed_) {
    if (!what_happened(table, now).empty()) tables.insert(table);
  }
  return tables;
}

void SchemaJudge::judge() {
  if (!before_) return;
  const Entries now = read_entries();
  for (const auto& [table, agreed] : agreed_) {
    if (const std::string why = what_happened(table, now); !why.empty()) {
      throw RecordError(schema_refusal(table, why));
    }
  }
  for (const auto& [name, was] : *before_) {
    if (is_own(name) && was.type == "table" && !now.contains(name)) {
      throw RecordError("colony: table " + name +
                        " is Colony's own and must stay; colony detach takes Colony out of a file");
    }
  }
  for (const auto& [name, is] : now) {
    if (is.type != "table" || before_->contains(name) || agreed_.contains(name) || may_have_rows(name)) continue;
    judge_new(name);
  }
}

void SchemaJudge::judge_new(const std::string& table) {
  if (may_have_rows(table)) return;
  const StatementHandle any = prepare(db_, "SELECT 1 FROM " + quoted(schema_) + "." + quoted(table) + " LIMIT 1");
  if (step(db_, any)) {
    throw RecordError("colony: table " + table +
                      " is new, with a key and rows, and not replicated yet: create it empty on every node, and run "
                      "colony init again on each: see Schema changes in docs/operations.md");
  }
}

void SchemaJudge::agree_on_extensions() {
  if (!before_) return;
  for (auto& [table, agreed] : agreed_) {
    if (!agreed.extended) continue;
    const std::optional<std::string> now = read_table_definition(db_, schema_, table);
    if (!now) continue;
    const StatementHandle update =
        prepare(db_, "UPDATE " + quoted(schema_) + ".__colony_tables SET definition = ?2 WHERE name = ?1");
    sqlite3_bind_text(update.get(), 1, table.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_text(update.get(), 2, now->c_str(), -1, SQLITE_STATIC);
    step(db_, update);
    agreed.definition = *now;
    agreed.extended = false;
  }
}

void SchemaJudge::clear() {
  before_.reset();
  missing_.clear();
}

}  // namespace colony
