#include "sqlite_ext/schema_difference.h"

#include <algorithm>
#include <set>
#include <vector>

#include "sqlite_ext/schema_rehearsal.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {

bool is_virtual_table(const SchemaObject& object) {
  const std::vector<SqlToken> tokens = sql_tokens(object.sql);
  return tokens.size() > 1 && tokens[1].is("VIRTUAL");
}

namespace {

using Kind = SchemaChange::Kind;

// Its place in the order in which objects can be made.
int rank(const SchemaObject& object) {
  if (object.type == "table") return is_virtual_table(object) ? 1 : 0;
  if (object.type == "index") return 2;
  return object.type == "view" ? 3 : 4;
}

bool begins_constraint(const SqlToken& token) {
  return token.is("CONSTRAINT") || token.is("PRIMARY") || token.is("UNIQUE") || token.is("CHECK") ||
         token.is("FOREIGN");
}

}  // namespace

namespace {

// Constraints come after them.
std::vector<SqlToken> column_tokens(const std::string& create_table) {
  std::vector<SqlToken> names;
  int depth = 0;
  bool begins = false;
  for (const SqlToken& token : sql_tokens(create_table)) {
    if (begins && begins_constraint(token)) break;
    if (begins) names.push_back(token);
    begins = (depth == 0 && token.is('(') && names.empty()) || (depth == 1 && token.is(','));
    depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
  }
  return names;
}

}  // namespace

std::vector<std::string> defined_columns(const std::string& create_table) {
  std::vector<std::string> names;
  for (const SqlToken& token : column_tokens(create_table)) names.push_back(token.name());
  return names;
}

std::vector<std::string> defined_columns_as_written(const std::string& create_table) {
  std::vector<std::string> names;
  for (const SqlToken& token : column_tokens(create_table)) names.emplace_back(token.text);
  return names;
}

namespace {

// Columns of a table that stays are renamed, and added at the end.
class Columns {
 public:
  Columns(const SchemaObject& before, const SchemaObject& now, const TableFate& fate)
      : names_(defined_columns(before.sql)), now_(defined_columns(now.sql)), sql_(now.sql), fate_(fate) {
    for (const TableFate::RenamedColumn& column : fate.renamed_columns) {
      const auto same = std::find_if(names_.begin(), names_.end(), [&](const std::string& name) {
        return folded_name(name) == folded_name(column.before);
      });
      if (same == names_.end()) continue;  // it was added before
      *same = column.now;
      renamed_.push_back(column);
    }
  }

  void add_to(SchemaChanges& renamed, SchemaChanges& added) const {
    for (const TableFate::RenamedColumn& column : renamed_) {
      renamed.push_back({Kind::kRenameColumn, "table", fate_.name, column.before, column.as_written, column.now, ""});
    }
    if (names_.size() > now_.size() || !std::equal(names_.begin(), names_.end(), now_.begin())) {
      throw SchemaDifferenceError(fate_.name, "was altered in a way that SQLite has no statement for");
    }
    for (std::size_t i = names_.size(); i < now_.size(); ++i) {
      added.push_back({Kind::kAddColumn, "table", fate_.name, now_[i], column_definition(sql_, now_[i]), "", ""});
    }
  }

 private:
  std::vector<std::string> names_, now_;
  std::vector<TableFate::RenamedColumn> renamed_;
  const std::string& sql_;
  const TableFate& fate_;
};

class Difference {
 public:
  Difference(const SchemaObjects& before, const SchemaObjects& now, const std::map<std::string, TableFate>& fates)
      : before_(before), now_(now), fates_(fates) {}

  SchemaChanges changes() {
    for (const auto& [table, fate] : fates_) look_at_table(table, fate);
    check_names();
    rehearse_alterations();
    for (const auto& [name, was] : before_) {
      if (was.type != "table") look_at_former(name, was);
    }
    for (const auto& [name, is] : now_) {
      if (!known_.contains(name))
        made_.emplace_back(rank(is), SchemaChange{Kind::kCreate, is.type, name, "", is.sql, "", ""});
    }
    SchemaChanges changes = in_order();
    if (is_altered_) check_outcome(changes);
    return changes;
  }

 private:
  void look_at_table(const std::string& table, const TableFate& fate) {
    const SchemaObject& was = before_.at(table);
    const auto is = now_.find(fate.is_gone ? table : fate.name);
    const bool is_there = is != now_.end() && is->second.type == "table";
    if (fate.is_gone && is_there && !is_virtual_table(is->second)) {
      remade_.push_back({Kind::kRemake, "table", table, "", is->second.sql, "", was.sql});
      known_.insert(table);
    } else if (fate.is_gone && fate.is_renamed_anew) {
      throw SchemaDifferenceError(table,
                                  "was made anew, or has lost a column, and got another name in one transaction");
    } else if (fate.is_gone) {
      dropped_tables_.push_back({Kind::kDrop, "table", table, "", was.sql, "", ""});
    } else if (!is_there) {
      throw SchemaDifferenceError(table, "is gone, and no statement has dropped it");
    } else {
      if (fate.name != table) renamed_.push_back({Kind::kRenameTable, "table", table, "", "", fate.name, was.sql});
      if (is->second.sql != was.sql) Columns(was, is->second, fate).add_to(renamed_, columns_);
      is_altered_ |= is->second.sql != was.sql || fate.name != table;
      known_.insert(fate.name);
    }
  }

  // Tables are renamed one after another.
  void check_names() const {
    for (const SchemaChange& change : renamed_) {
      const auto other = fates_.find(change.to);
      if (change.kind == Kind::kRenameTable && other != fates_.end() && !other->second.is_gone) {
        throw SchemaDifferenceError(change.name, "was given the name of another table that was renamed too");
      }
    }
  }

  // SQLite itself writes the new names into what refers to them.
  void rehearse_alterations() {
    if (!is_altered_) return;
    SchemaChanges alterations = renamed_;
    alterations.insert(alterations.end(), columns_.begin(), columns_.end());
    altered_ = rehearse(before_, alterations);
  }
  bool comes_of_alterations(const std::string& name, const std::string& sql) const {
    const auto altered = altered_.find(name);
    return altered != altered_.end() && same_statement(altered->second, sql);
  }

  // What other nodes make of it.
  void check_outcome(const SchemaChanges& changes) const {
    const std::map<std::string, std::string> outcome = rehearse(before_, changes), wanted = rehearse(now_, {});
    for (const auto& [name, sql] : wanted) {
      const auto made = outcome.find(name);
      const bool needs_app = made == outcome.end() && now_.at(name).type != "table" && now_.at(name).type != "index";
      if (needs_app || (made != outcome.end() && same_statement(made->second, sql))) continue;
      throw SchemaDifferenceError(now_.at(name).table, "was altered in a way that SQLite has no statement for");
    }
  }

  // Indexes and triggers go with their table.
  void look_at_former(const std::string& name, const SchemaObject& was) {
    const auto fate = fates_.find(was.table);
    if (was.type != "view" && fate != fates_.end() && fate->second.is_gone) return;
    const auto is = now_.find(name);
    if (is == now_.end() || is->second.type != was.type) {
      dropped_.push_back({Kind::kDrop, was.type, name, "", was.sql, "", ""});
      return;
    }
    known_.insert(name);
    if (is->second.sql == was.sql || comes_of_alterations(name, is->second.sql)) return;
    made_.emplace_back(rank(is->second), SchemaChange{Kind::kReplace, was.type, name, "", is->second.sql, "", was.sql});
  }

  SchemaChanges in_order() {
    constexpr int kFirstThatNeedsColumns = 2;
    std::stable_sort(made_.begin(), made_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    SchemaChanges changes = std::move(dropped_);
    const auto add = [&](const SchemaChanges& more) { changes.insert(changes.end(), more.begin(), more.end()); };
    add(dropped_tables_);
    add(renamed_);
    add(remade_);
    for (const auto& [place, change] : made_) {
      if (place < kFirstThatNeedsColumns) changes.push_back(change);
    }
    add(columns_);
    for (const auto& [place, change] : made_) {
      if (place >= kFirstThatNeedsColumns) changes.push_back(change);
    }
    return changes;
  }

  const SchemaObjects &before_, &now_;
  const std::map<std::string, TableFate>& fates_;
  bool is_altered_ = false;                     // a table that stays
  std::map<std::string, std::string> altered_;  // all statements, once the tables that stay are altered
  std::set<std::string> known_;                 // of `now`: what has come of something before
  SchemaChanges dropped_, dropped_tables_, renamed_, remade_, columns_;
  std::vector<std::pair<int, SchemaChange>> made_;
};

}  // namespace

SchemaChanges difference(const SchemaObjects& before, const SchemaObjects& now,
                         const std::map<std::string, TableFate>& fates) {
  return Difference(before, now, fates).changes();
}

}  // namespace colony
