#include "replicator/compare/table_comparison.h"

#include <algorithm>

#include "replicator/fold/table_statements.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

constexpr std::size_t kTablesShownMax = 8;
constexpr int kRowsBetweenQuestions = 1000;

std::string counted(const TableDifference& difference) {
  std::string text;
  const auto add = [&](std::uint64_t rows, const char* what) {
    if (rows == 0) return;
    text +=
        (text.empty() ? std::to_string(rows) + (rows == 1 ? " row " : " rows ") : ", " + std::to_string(rows) + " ");
    text += what;
  };
  add(difference.missing, "missing here");
  add(difference.only_here, "only here");
  add(difference.changed, "different");
  return text;
}

// Calls visit(row) for every row of the table, by the columns that are replicated.
template <class Visit>
void for_each_row(Database& db, const ReplicatedTable& table, std::size_t columns, const std::function<void()>& go_on,
                  Visit&& visit) {
  std::string names;
  for (std::size_t i = 0; i < columns; ++i) names += (i > 0 ? "," : "") + quoted(table.columns[i]);
  const std::string where = table.key_allows_null() ? " WHERE " + table.key_is_whole() : "";
  Statement all(db, "SELECT " + names + " FROM main." + quoted(table.name) + where);
  std::vector<Value> row(columns);
  for (int rows = 1; all.step(); ++rows) {
    for (std::size_t i = 0; i < columns; ++i) row[i] = all.value(static_cast<int>(i));
    visit(row);
    if (rows % kRowsBetweenQuestions == 0) go_on();
  }
}

TableDifference compare_table(Database& mine, const ReplicatedTable& here, Database& other,
                              const ReplicatedTable& there, const std::function<void()>& go_on) {
  const std::size_t columns = std::min(here.columns.size(), there.columns.size());
  StatementCache own_cache(mine), others_cache(other);
  TableStatements own(own_cache, here, columns), others(others_cache, there, columns);
  TableDifference difference{here.name, "", 0, 0, 0};
  std::vector<Value> found;
  std::string storage;
  for_each_row(mine, here, columns, go_on, [&](const std::vector<Value>& row) {
    if (!others.select(row, found, storage)) {
      ++difference.only_here;
    } else if (!std::equal(row.begin(), row.end(), found.begin(), identical)) {
      ++difference.changed;
    }
  });
  for_each_row(other, there, columns, go_on, [&](const std::vector<Value>& row) {
    if (!own.select(row, found, storage)) ++difference.missing;
  });
  return difference;
}

}  // namespace

std::string to_string(const std::vector<TableDifference>& differences) {
  std::string text;
  const std::size_t shown = std::min(differences.size(), kTablesShownMax);
  for (std::size_t i = 0; i < shown; ++i) {
    const TableDifference& difference = differences[i];
    text += (i > 0 ? ", " : "") + difference.table + " (" +
            (difference.definition.empty() ? counted(difference) : difference.definition) + ")";
  }
  if (differences.size() > shown) text += " and " + std::to_string(differences.size() - shown) + " more tables";
  return text;
}

bool has_no_rows(Database& db) {
  const DefinitionReader definitions(db.handle(), "main");
  for (const std::string& table : replicated_tables(db)) {
    if (!definitions.has(table)) continue;
    if (Statement(db, "SELECT 1 FROM main." + quoted(table) + " LIMIT 1").step()) return false;
  }
  return true;
}

std::vector<TableDifference> compare_definitions(Database& mine, Database& other, bool may_have_more) {
  std::vector<TableDifference> differences;
  const std::vector<std::string> own = replicated_tables(mine);
  DefinitionReader own_definitions(mine.handle(), "main"), others_definitions(other.handle(), "main");
  for (const std::string& table : replicated_tables(other)) {
    const auto there = others_definitions.read(table);
    if (!there) continue;  // it was dropped
    const auto here = own_definitions.read(table);
    if (!here || !std::binary_search(own.begin(), own.end(), table)) {
      differences.push_back({table, here ? "is not replicated here" : "there is no such table here", 0, 0, 0});
      continue;
    }
    const DefinitionVerdict verdict = judge_definition(*there, *here);
    if (verdict.change == DefinitionChange::kNone) continue;
    if (verdict.change == DefinitionChange::kExtended && may_have_more) continue;
    differences.push_back({table, "here " + verdict.what, 0, 0, 0});
  }
  return differences;
}

std::vector<TableDifference> compare_rows(Database& mine, Database& other, const std::function<void()>& go_on) {
  ReplicatedSchema here, there;
  here.load(mine);
  there.load(other);
  std::vector<TableDifference> differences;
  for (const auto& [name, table] : here.tables()) {
    TableDifference difference{name, "", 0, 0, 0};
    if (const ReplicatedTable* const others = there.find(name)) {
      difference = compare_table(mine, table, other, *others, go_on);
    } else {
      for_each_row(mine, table, 1, go_on, [&](const std::vector<Value>&) { ++difference.only_here; });
    }
    if (difference.missing + difference.only_here + difference.changed > 0) differences.push_back(difference);
  }
  return differences;
}

}  // namespace colony
