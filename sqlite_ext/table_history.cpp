#include "sqlite_ext/table_history.h"

#include <utility>

#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

using Kind = TableStatement::Kind;

bool same_name(const std::string& a, const std::string& b) { return folded_name(a) == folded_name(b); }

}  // namespace

bool TableHistory::exists(const std::string& table, const std::string& column) const {
  return sqlite3_table_column_metadata(db_, schema_.c_str(), table.c_str(), column.empty() ? nullptr : column.c_str(),
                                       nullptr, nullptr, nullptr, nullptr, nullptr) == SQLITE_OK;
}

// A table, or a column of it, letter for letter.
bool TableHistory::is_called(const std::string& table, const std::string& column) const {
  const std::string sql = column.empty() ? "SELECT 1 FROM pragma_table_list(?1) WHERE name = ?1 AND schema = ?3"
                                         : "SELECT 1 FROM pragma_table_info(?1, ?3) WHERE name = ?2";
  sqlite3_stmt* select = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &select, nullptr) != SQLITE_OK) return false;
  sqlite3_bind_text(select, 1, table.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(select, 2, column.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(select, 3, schema_.c_str(), -1, SQLITE_STATIC);
  const bool is = sqlite3_step(select) == SQLITE_ROW;
  sqlite3_finalize(select);
  return is;
}

void TableHistory::begin(TableStatement statement) {
  const bool existed = exists(statement.table);
  steps_.push_back({std::move(statement), existed});
  is_settled_ = false;
}

bool TableHistory::has_happened(const Step& step) const {
  const TableStatement& statement = step.statement;
  switch (statement.kind) {
    case Kind::kCreate:
      return !step.existed && exists(statement.table);
    case Kind::kDrop:
      return step.existed && !exists(statement.table);
    case Kind::kRename:
      return step.existed && statement.table != statement.to && exists(statement.to) &&
             (same_name(statement.table, statement.to) ? is_called(statement.to, "") : !exists(statement.table));
    case Kind::kRenameColumn:
      return step.existed && statement.column != statement.to && exists(statement.table, statement.to) &&
             (same_name(statement.column, statement.to) ? is_called(statement.table, statement.to)
                                                        : !exists(statement.table, statement.column));
    case Kind::kDropColumn:
      return step.existed && !exists(statement.table, statement.column);
  }
  return false;
}

bool TableHistory::settle() {
  if (std::exchange(is_settled_, true)) return true;
  if (has_happened(steps_.back())) return true;
  steps_.pop_back();
  return false;
}

void TableHistory::go_back(std::size_t mark) {
  if (mark >= steps_.size()) return;
  steps_.resize(mark);
  is_settled_ = true;
}

void TableHistory::clear() {
  steps_.clear();
  told_.reset();
  is_settled_ = true;
}

namespace {

void follow_successor(const TableStatement& statement, const std::string& table, std::string& successor) {
  if (statement.kind == Kind::kCreate && same_name(statement.table, table)) successor = table;
  if (statement.kind != Kind::kRename) return;
  if (!successor.empty() && same_name(statement.table, successor)) {
    successor = statement.to;
  } else if (same_name(statement.to, table)) {
    successor = table;
  }
}

}  // namespace

TableFate TableHistory::fate(const std::string& table) const {
  if (told_) {
    const auto told = told_->find(table);
    return told == told_->end() ? TableFate{false, table, {}} : told->second;
  }
  TableFate fate{false, table, {}};
  std::string successor;  // what was made anew in its place is called so
  for (std::size_t i = 0; i < settled(); ++i) {
    const TableStatement& statement = steps_[i].statement;
    follow_successor(statement, table, successor);
    if (fate.is_gone || !same_name(statement.table, fate.name)) continue;
    if (statement.kind == Kind::kDropColumn) successor = fate.name;
    if (statement.kind == Kind::kDrop || statement.kind == Kind::kDropColumn || takes_anothers_place(i)) {
      fate.is_gone = true;
    } else if (statement.kind == Kind::kRename) {
      fate.name = statement.to;
    } else if (statement.kind == Kind::kRenameColumn) {
      bool again = false;
      for (TableFate::RenamedColumn& column : fate.renamed_columns) {
        if (!same_name(column.now, statement.column)) continue;
        column.now = statement.to;
        column.as_written = statement.to_as_written;
        again = true;
      }
      if (!again) fate.renamed_columns.push_back({statement.column, statement.to, statement.to_as_written});
    }
  }
  fate.is_renamed_anew = fate.is_gone && !successor.empty() && !same_name(successor, table);
  return fate;
}

std::string TableHistory::former_name(const std::string& table) const {
  if (!told_) return former_name(table, settled());
  for (const auto& [former, fate] : *told_) {
    if (!fate.is_gone && fate.name == table) return former;
  }
  const auto former = told_->find(table);
  return former == told_->end() ? table : "";
}

// Backwards: a table that is dropped, or comes out of a DROP COLUMN, is followed no further.
std::string TableHistory::former_name(std::string name, std::size_t steps) const {
  for (std::size_t i = steps; i-- > 0;) {
    const TableStatement& statement = steps_[i].statement;
    if (statement.kind == Kind::kRename && same_name(statement.to, name)) {
      if (takes_anothers_place(i)) return "";
      name = statement.table;
    } else if (same_name(statement.table, name) && statement.kind != Kind::kRenameColumn &&
               statement.kind != Kind::kRename) {
      return "";
    }
  }
  return name;
}

// Whether it gives a table the name that one had before the transaction which was dropped.
bool TableHistory::takes_anothers_place(std::size_t step) const {
  const std::string& name = steps_[step].statement.to;
  if (steps_[step].statement.kind != Kind::kRename) return false;
  for (std::size_t i = 0; i < step; ++i) {
    const TableStatement& earlier = steps_[i].statement;
    if (earlier.kind != Kind::kDrop || !same_name(earlier.table, name)) continue;
    if (steps_[i].existed && same_name(former_name(earlier.table, i), name)) return true;
  }
  return false;
}

std::string TableHistory::at_stake() const {
  if (steps_.empty() || is_settled_) return "";
  const TableStatement& statement = steps_.back().statement;
  const bool drops = statement.kind == Kind::kDrop || statement.kind == Kind::kDropColumn;
  if (!steps_.back().existed || (!drops && !takes_anothers_place(steps_.size() - 1))) return "";
  return former_name(statement.table);
}

}  // namespace colony
