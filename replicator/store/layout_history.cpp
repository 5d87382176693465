#include "replicator/store/layout_history.h"

#include <utility>

#include "sqlite_ext/layout_log.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

using Kind = SchemaChange::Kind;

bool same_name(const std::string& a, const std::string& b) { return folded_name(a) == folded_name(b); }

}  // namespace

void LayoutHistory::load(Database& db) {
  steps_.clear();
  if (db.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = '__colony_layouts'") == 0) return;
  Statement select(db, "SELECT columns, change FROM __colony_layouts ORDER BY id");
  while (select.step()) {
    SchemaChanges changes = split_schema(select.blob(1)).schema;
    if (changes.size() != 1) throw ChangesetError("the history of the tables' columns cannot be read");
    steps_.push_back({decoded_names(select.blob(0)), std::move(changes.front())});
  }
}

const std::vector<std::string>* LayoutHistory::columns_before(std::size_t from, const std::string& table) const {
  for (std::size_t i = from; i < steps_.size(); ++i) {
    if (same_name(steps_[i].change.name, table)) return &steps_[i].columns;
  }
  return nullptr;
}

LayoutHistory::Place LayoutHistory::follow(std::size_t from, std::string table, std::vector<std::string> names) const {
  Place place{std::move(table), std::move(names)};
  for (std::size_t i = from; i < steps_.size(); ++i) {
    const SchemaChange& change = steps_[i].change;
    if (!same_name(change.name, place.table)) continue;
    if (change.kind == Kind::kDrop) return {"", std::move(place.names)};
    if (change.kind == Kind::kRenameTable) place.table = change.to;
    if (change.kind != Kind::kRenameColumn) continue;
    for (std::string& name : place.names) {
      if (same_name(name, change.column)) name = change.to;
    }
  }
  return place;
}

LayoutHistory::Fills LayoutHistory::fills() const {
  Fills of_tables;
  for (const Step& step : steps_) {
    const SchemaChange& change = step.change;
    const auto of = of_tables.try_emplace(folded_name(change.name)).first;
    std::map<std::string, std::string>& fills = of->second;
    if (change.kind == Kind::kRemake) {
      std::erase_if(fills, [&](const auto& fill) { return column_definition(change.sql, fill.first).empty(); });
      for (const auto& [column, value] : change.fills) fills[folded_name(column)] = value;
    } else if (change.kind == Kind::kRenameColumn) {
      auto fill = fills.extract(folded_name(change.column));
      if (fill.empty()) continue;
      fill.key() = folded_name(change.to);
      fills.insert(std::move(fill));
    } else if (change.kind == Kind::kRenameTable) {
      std::map<std::string, std::string> moved = std::move(fills);
      of_tables.erase(of);
      of_tables[folded_name(change.to)] = std::move(moved);
    } else {
      of_tables.erase(of);
    }
  }
  return of_tables;
}

}  // namespace colony
