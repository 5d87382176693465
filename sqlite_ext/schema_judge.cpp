#include "sqlite_ext/schema_judge.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/guard_index.h"
#include "sqlite_ext/guard_triggers.h"
#include "sqlite_ext/layout_log.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

constexpr const char* kCannotRead = "cannot read the schema";

StatementHandle prepare(sqlite3* db, const std::string& sql) { return prepared(db, sql, kCannotRead); }

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

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != text.npos; at = end + 1) {
    lines.push_back(text.substr(at, end - at));
  }
  return lines;
}

}  // namespace

std::string schema_refusal(const std::string& table, const std::string& why) {
  return "colony: table " + table + " " + why +
         ", which cannot be told to the other nodes: change it by ALTER TABLE, or by colony migrate: see Schema "
         "changes "
         "in docs/operations.md";
}

void SchemaJudge::load() {
  may_have_rows_.clear();
  guards_.reset();
  definitions_.reset();
  load_meta();
  load_agreed();
}

void SchemaJudge::load_meta() {
  knows_left_out_ = are_chosen_ = false;
  patterns_.clear();
  is_guarded_ = false;
  guards_by_index_ = is_unconfirmed_ = false;
  const StatementHandle meta =
      prepare(db_, "SELECT key, value FROM " + quoted(schema_) +
                       ".__colony_meta WHERE key IN ('capture', 'guard', 'left_out_known', 'tables', 'table_patterns', "
                       "'unconfirmed')");
  while (step(db_, meta)) {
    const std::string key = text(meta, 0), value = text(meta, 1);
    if (key == "capture") is_guarded_ = value == "session";
    if (key == "guard") guards_by_index_ = value == "index";
    if (key == "left_out_known") knows_left_out_ = value == "1";
    if (key == "unconfirmed") is_unconfirmed_ = value != "0";
    if (key == "tables") are_chosen_ = value == "chosen";
    if (key == "table_patterns") patterns_ = lines_of(value);
  }
  guards_by_index_ = guards_by_index_ && is_guarded_;
  left_out_.clear();
  if (!knows_left_out_) return;
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
  while (step(db_, select)) {
    agreed_.emplace(text(select, 0), Agreed{text(select, 1), std::nullopt, false});
  }
}

std::vector<std::string> SchemaJudge::replicated() const {
  std::vector<std::string> names;
  for (const auto& [name, agreed] : agreed_) names.push_back(name);
  return names;
}

SchemaJudge::Entries SchemaJudge::read_entries(sqlite3* db) {
  Entries entries;
  const StatementHandle all = prepare(db, "SELECT tbl_name, type, name, sql, rowid FROM " + quoted(schema_) +
                                              ".sqlite_schema ORDER BY tbl_name, type, name");
  while (step(db, all)) {
    Entry& entry = entries[text(all, 0)];
    const std::string type = text(all, 1);
    if (type == "table" || type == "view") {
      entry.type = type;
      entry.rowid = sqlite3_column_int64(all.get(), 4);
    }
    entry.all += type + " " + text(all, 2) + " " + text(all, 3) + "\n";
    if (sqlite3_column_type(all.get(), 3) == SQLITE_NULL) continue;  // the index of a constraint
    entry.objects[text(all, 2)] = {type, text(all, 0), text(all, 3)};
  }
  return entries;
}

bool SchemaJudge::is_wanted(const std::string& table) const {
  if (!knows_left_out_) return false;
  return !are_chosen_ || std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
    return sqlite3_strglob(pattern.c_str(), table.c_str()) == 0;
  });
}

bool SchemaJudge::may_have_rows(const std::string& table) {
  if (!is_wanted(table) || is_own(table) || table.starts_with("sqlite_") || left_out_.contains(table)) return true;
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
  if (!is_guarded_) return true;
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

void SchemaJudge::note_before(sqlite3* before) {
  if (before_) return;
  before_ = read_entries(before);
  originals_.clear();
  for (const auto& [name, agreed] : agreed_) {
    if (!before_->contains(name)) continue;
    // Of an older format, or one that was made by hand, nothing is known.
    originals_[name] =
        agreed.definition.empty() ? read_table_definition(before, schema_, name).value_or("") : agreed.definition;
  }
}

std::map<std::string, TableFate> SchemaJudge::fates() const {
  std::map<std::string, TableFate> fates;
  for (const auto& [table, definition] : originals_) fates.emplace(table, history_.fate(table));
  return fates;
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
  for (const auto& [table, fate] : fates()) {
    if (fate.is_gone) continue;
    const auto was = before_->find(table);
    if (was == before_->end() || was->second.type != "table") continue;  // it was missing before
    const auto is = now.find(fate.name);
    if (is == now.end() || is->second.type != "table") throw RecordError(schema_refusal(table, "was dropped"));
    const bool was_missing = std::find(missing_.begin(), missing_.end(), table) != missing_.end();
    if ((was_missing && fate.name == table) || was->second.rowid != is->second.rowid) {
      throw RecordError(schema_refusal(table, "was made anew"));
    }
    if (fate.name != table || was->second.all == is->second.all || has_guards(table)) continue;
    throw RecordError(
        schema_refusal(table, "has lost what Colony had put on it (triggers or indexes named __colony_*)"));
  }
  for (const auto& [name, was] : *before_) {
    if (is_own(name) && was.type == "table" && !now.contains(name)) {
      throw RecordError("colony: table " + name +
                        " is Colony's own and must stay; colony detach takes Colony out of a file");
    }
  }
}

// Not one that was there before, whatever its name was.
bool SchemaJudge::is_new(const std::string& table, const Entry& entry) {
  if (entry.type != "table") return false;
  if (originals_.contains(table)) {
    const TableFate fate = history_.fate(table);
    if (fate.is_gone || fate.name == table) return false;
  }
  const auto was = before_->find(history_.former_name(table));
  return was == before_->end() || was->second.type != "table";
}

std::vector<std::string> SchemaJudge::new_tables() {
  std::vector<std::string> tables;
  if (!before_) return tables;
  for (const auto& [name, entry] : read_entries()) {
    if (is_new(name, entry) && !may_have_rows(name)) tables.push_back(name);
  }
  return tables;
}

// What hangs on a table that other nodes may not have stays here.
SchemaObjects SchemaJudge::shared_objects(const Entries& entries) {
  SchemaObjects shared;
  for (const auto& [table, entry] : entries) {
    if (is_own(table) || table.starts_with("sqlite_") || is_shadow(table)) continue;
    const bool is_replicated = originals_.contains(table) || originals_.contains(history_.former_name(table));
    const bool is_shared =
        entry.type == "table" ? is_replicated || (is_wanted(table) && is_new(table, entry)) : knows_left_out_;
    if (!is_shared) continue;
    for (const auto& [name, object] : entry.objects) {
      if (!is_own(name)) shared.emplace(name, object);
    }
  }
  return shared;
}

SchemaChanges SchemaJudge::changes() {
  if (!before_) return {};
  const SchemaObjects before = shared_objects(*before_);
  std::map<std::string, TableFate> there = fates();
  std::erase_if(there, [&](const auto& of) { return !before.contains(of.first); });
  try {
    const Entries now = read_entries();
    SchemaChanges changes = dropped_strangers(now);
    const SchemaChanges more = difference(before, shared_objects(now), there);
    changes.insert(changes.end(), more.begin(), more.end());
    return changes;
  } catch (const SchemaDifferenceError& error) {
    throw RecordError(schema_refusal(error.table(), error.what()));
  }
}

// Tables that no rows travel of were made everywhere, and go everywhere. Where another one has
// the name now, its rows may be those of the former: only an index over other rows can be made
// of those again.
SchemaChanges SchemaJudge::dropped_strangers(const Entries& now) {
  SchemaChanges dropped;
  if (!knows_left_out_) return dropped;
  for (const auto& [table, was] : *before_) {
    if (was.type != "table" || is_own(table) || originals_.contains(table) || left_out_.contains(table) ||
        !is_wanted(table))
      continue;
    const auto object = was.objects.find(table);
    if (object == was.objects.end() || !history_.fate(table).is_gone) continue;
    if (now.contains(table) && !is_virtual_table(object->second)) continue;
    dropped.push_back({SchemaChange::Kind::kDrop, "table", table, "", object->second.sql, "", ""});
  }
  return dropped;
}

bool SchemaJudge::is_shadow(const std::string& table) {
  const StatementHandle type =
      prepare(db_, "SELECT 1 FROM pragma_table_list(?1) WHERE schema = ?2 COLLATE NOCASE AND type = 'shadow'");
  sqlite3_bind_text(type.get(), 1, table.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(type.get(), 2, schema_.c_str(), -1, SQLITE_STATIC);
  return step(db_, type);
}

void SchemaJudge::take_in(const std::string& table) {
  set_definition(table, table);
  make_guards(table);
}

void SchemaJudge::make_guards(const std::string& table) {
  if (!is_guarded_) return;
  create_guard_triggers(db_, schema_, table);
  if (guards_by_index_) place_guard_index(db_, host_, schema_, table);
}

// Of the table that was `former`.
void SchemaJudge::set_definition(const std::string& former, const std::string& table) {
  const std::optional<std::string> definition = read_table_definition(db_, schema_, table);
  const std::string list = quoted(schema_) + ".__colony_tables";
  const StatementHandle rename = prepare(db_, "UPDATE " + list + " SET name = ?2 WHERE name = ?1 AND ?1 <> ?2");
  const StatementHandle insert = prepare(db_, "INSERT INTO " + list +
                                                  "(name, definition) VALUES(?2, ?3) "
                                                  "ON CONFLICT(name) DO UPDATE SET definition = ?3");
  for (const StatementHandle* statement : {&rename, &insert}) {
    sqlite3_bind_text(statement->get(), 1, former.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_text(statement->get(), 2, table.c_str(), -1, SQLITE_STATIC);
    if (statement == &insert) sqlite3_bind_text(insert.get(), 3, definition->c_str(), -1, SQLITE_STATIC);
    step(db_, *statement);
  }
}

SchemaChanges SchemaJudge::gone_with(const std::set<std::string>& tables) const {
  SchemaChanges gone;
  for (const std::string& table : tables) {
    const auto entry = before_->find(table);
    if (entry == before_->end()) continue;
    for (const auto& [name, object] : entry->second.objects) {
      if (is_own(name) || object.type == "table") continue;
      gone.push_back({SchemaChange::Kind::kDrop, object.type, name, "", object.sql, "", ""});
    }
  }
  return gone;
}

bool SchemaJudge::is_named_elsewhere(const std::string& table, const std::string& column) const {
  const auto names = [](const std::string& sql, const std::string& name) {
    const std::vector<SqlToken> tokens = sql_tokens(sql);
    return std::any_of(tokens.begin(), tokens.end(),
                       [&](const SqlToken& token) { return folded_name(token.name()) == folded_name(name); });
  };
  for (const auto& [of, entry] : *before_) {
    if (of == table || is_own(of)) continue;
    for (const auto& [name, object] : entry.objects) {
      if (object.type != "index" && names(object.sql, table) && names(object.sql, column)) return true;
    }
  }
  return false;
}

void SchemaJudge::keep_former_texts(SchemaChanges& changes) {
  using Kind = SchemaChange::Kind;
  const auto renames = [](const SchemaChange& change) {
    return change.kind == Kind::kRenameTable || change.kind == Kind::kRenameColumn;
  };
  const auto first = std::find_if(changes.begin(), changes.end(), renames);
  if (first == changes.end()) return;
  const Entries now = read_entries();
  for (const auto& [table, entry] : *before_) {
    if (is_own(table)) continue;
    for (const auto& [name, object] : entry.objects) {
      if (is_own(name)) continue;
      const TableFate fate = history_.fate(object.type == "table" ? name : table);
      const std::string present = object.type == "table" ? fate.name : name;
      const auto of = now.find(object.type == "view" ? table : fate.name);
      const bool has_renamed =
          object.type == "table" &&
          std::any_of(changes.begin(), changes.end(), [&, &name = name](const SchemaChange& change) {
            return change.kind == Kind::kRenameColumn && change.name == name;
          });
      if (fate.is_gone && has_renamed) first->fills.emplace_back(name, object.sql);
      if (fate.is_gone || of == now.end()) continue;
      const auto is = of->second.objects.find(present);
      if (is != of->second.objects.end() && is->second.sql != object.sql) first->fills.emplace_back(name, object.sql);
    }
  }
}

void SchemaJudge::follow(const SchemaChanges& changes) {
  for (const SchemaChange& change : changes) {
    using Kind = SchemaChange::Kind;
    if (change.type != "table" || !originals_.contains(change.name)) continue;
    if (change.kind == Kind::kDrop) {
      const StatementHandle remove =
          prepare(db_, "DELETE FROM " + quoted(schema_) + ".__colony_tables WHERE name = ?1");
      sqlite3_bind_text(remove.get(), 1, change.name.c_str(), -1, SQLITE_STATIC);
      step(db_, remove);
      drop_guard_triggers(db_, schema_, change.name);  // which a table that took another's place still has
    } else if (change.kind == Kind::kRenameTable) {
      drop_guard_triggers(db_, schema_, change.name);
      set_definition(change.name, change.to);
      make_guards(change.to);
    } else if (change.kind == Kind::kRemake) {
      take_in(change.name);
    }
  }
  for (const auto& [table, fate] : fates()) {
    if (fate.is_gone) continue;
    set_definition(fate.name, fate.name);
    if (guards_by_index_) place_guard_index(db_, host_, schema_, fate.name);
  }
}

void SchemaJudge::note_layouts(const SchemaChanges& changes) {
  std::map<std::string, std::vector<std::string>> columns;
  for (const auto& [table, definition] : originals_) columns[table] = column_names(definition);
  for (const SchemaChange& change : changes) {
    if (!changes_layout(change) || !columns.contains(change.name)) continue;
    std::vector<std::string>& names = columns[change.name];
    append_layout(db_, schema_, change, names);
    if (change.kind == SchemaChange::Kind::kRenameTable) {
      const std::vector<std::string> moved = std::move(names);
      columns[change.to] = moved;
    }
    for (std::string& name : names) {
      if (change.kind == SchemaChange::Kind::kRenameColumn && name == change.column) name = change.to;
    }
  }
}

void SchemaJudge::confirm_with(sqlite3_int64 chunk) {
  const StatementHandle set = prepare(
      db_, "INSERT OR REPLACE INTO " + quoted(schema_) + ".__colony_meta(key, value) VALUES('unconfirmed', ?1)");
  sqlite3_bind_int64(set.get(), 1, chunk);
  step(db_, set);
}

void SchemaJudge::settle_guards() {
  if (before_ && guards_by_index_) settle_guard_index_names(db_, host_, schema_);
}

bool SchemaJudge::is_confirmed_now() {
  const StatementHandle get =
      prepare(db_, "SELECT value FROM " + quoted(schema_) + ".__colony_meta WHERE key = 'unconfirmed'");
  return !step(db_, get) || text(get, 0) == "0";
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
  history_.clear();
  originals_.clear();
}

}  // namespace colony
