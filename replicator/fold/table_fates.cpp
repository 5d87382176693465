#include "replicator/fold/table_fates.h"

#include <algorithm>
#include <set>
#include <vector>

#include "replicator/fold/schema_statements.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/new_columns.h"

namespace colony {
namespace {

// Whether an ALTER TABLE of the kind that a fate tells leads from one to the other.
bool explains(const SchemaObjects& before, const SchemaObjects& after, const std::string& table,
              const TableFate& fate) {
  const SchemaObjects was = {{table, before.at(table)}}, is = {{fate.name, after.at(fate.name)}};
  try {
    difference(was, is, {{table, fate}});
    return true;
  } catch (const SchemaDifferenceError&) {
    return false;
  }
}

// It is called `now`.
TableFate fate_of_altered(const SchemaObjects& before, const SchemaObjects& after, const std::string& table,
                          const std::string& now) {
  const std::vector<std::string> was = defined_columns(before.at(table).sql), is = defined_columns(after.at(now).sql);
  const std::vector<std::string> as_written = defined_columns_as_written(after.at(now).sql);
  TableFate fate{false, now, {}};
  if (explains(before, after, table, fate)) return fate;
  if (was.size() <= is.size()) {
    for (std::size_t i = 0; i < was.size(); ++i) {
      if (was[i] == is[i]) continue;
      const bool is_kept = std::find(is.begin(), is.end(), was[i]) != is.end();
      const bool was_there = std::find(was.begin(), was.end(), is[i]) != was.end();
      if (!is_kept && !was_there) fate.renamed_columns.push_back({was[i], is[i], as_written[i]});
    }
    if (!fate.renamed_columns.empty() && explains(before, after, table, fate)) return fate;
  }
  return {true, table, {}};
}

}  // namespace

std::map<std::string, TableFate> fates_of(const SchemaObjects& before, const TableHistory& history) {
  std::map<std::string, TableFate> fates;
  for (const auto& [name, object] : before) {
    if (object.type == "table") fates[name] = history.fate(name);
  }
  return fates;
}

std::map<std::string, TableFate> guessed_fates(const SchemaObjects& before, const SchemaObjects& after) {
  std::map<std::string, TableFate> fates;
  std::set<std::string> taken;
  for (const auto& [name, object] : before) {
    if (object.type != "table") continue;
    const auto is = after.find(name);
    if (is != after.end() && is->second.type == "table") {
      fates[name] =
          is->second.sql == object.sql ? TableFate{false, name, {}} : fate_of_altered(before, after, name, name);
      continue;
    }
    fates[name] = {true, name, {}};
    for (const auto& [other, candidate] : after) {
      if (candidate.type != "table" || before.contains(other) || taken.contains(other)) continue;
      if (!same_statement(with_table_name(object.sql, other), with_table_name(candidate.sql, other))) continue;
      fates[name] = {false, other, {}};
      taken.insert(other);
      break;
    }
  }
  return fates;
}

std::map<std::string, TableFate> told_fates(const SchemaObjects& before, const TablePlaces& places_before,
                                            const SchemaObjects& after, const TablePlaces& places_after) {
  std::map<std::string, TableFate> fates;
  for (const auto& [name, object] : before) {
    const auto place = places_before.find(name);
    if (object.type != "table" || place == places_before.end()) continue;
    const auto is = after.find(name);
    const bool has_namesake = is != after.end() && is->second.type == "table";
    const auto stays = std::find_if(
        places_after.begin(), places_after.end(),
        [&, &was = place->second](const auto& at) { return at.second == was && after.contains(at.first); });
    const bool is_there = stays != places_after.end() && (stays->first == name || !before.contains(stays->first));
    if (is_there) {
      fates[name] = fate_of_altered(before, after, name, stays->first);
      if (!fates[name].is_gone || has_namesake) continue;
    }
    fates[name] = {!has_namesake || is->second.sql != object.sql, name, {}};
  }
  return fates;
}

void fill_new_columns(Database& before, Database& after, SchemaChanges& changes) {
  for (SchemaChange& change : changes) {
    if (change.kind != SchemaChange::Kind::kRemake) continue;
    std::vector<std::string> former;
    Statement columns(before, "SELECT name FROM pragma_table_info(?1)");
    columns.bind(1, change.name);
    while (columns.step()) former.emplace_back(columns.text(0));
    change.fills = new_column_values(after.handle(), "main", change.name, former);
  }
}

}  // namespace colony
