#include "replicator/fold/row_places.h"

#include <algorithm>
#include <utility>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

std::vector<ChangesetTable> tables_of(ChangesetView changeset) {
  std::vector<ChangesetTable> tables;
  ChangesetReader reader(changeset);
  Change change;
  while (reader.next(change)) {
    // Sections without rows are counted, too.
    if (tables.size() != reader.tables_begun()) tables.resize(reader.tables_begun(), ChangesetTable());
    tables.back() = reader.table();
  }
  return tables;
}

bool has_column(const ReplicatedTable& table, const RowPlaces::Hidden& hidden, const std::string& name) {
  const auto found = hidden.find(table.name);
  const std::size_t visible = table.columns.size() - (found == hidden.end() ? 0 : found->second);
  return std::any_of(table.columns.begin(), table.columns.begin() + static_cast<std::ptrdiff_t>(visible),
                     [&](const std::string& column) { return folded_name(column) == folded_name(name); });
}

// The names that the columns of `table` had when the changes from number `from` on were still
// to come; nothing if it had fewer.
std::optional<std::vector<std::string>> names_at(const ReplicatedSchema& schema, std::size_t from,
                                                 const ChangesetTable& table) {
  const std::vector<std::string>* columns = schema.layouts().columns_before(from, table.name);
  if (columns == nullptr) {
    const ReplicatedTable* const now = schema.find(table.name);
    if (now == nullptr) return std::nullopt;
    columns = &now->columns;
  }
  if (table.columns() > columns->size()) return std::nullopt;
  return std::vector<std::string>(columns->begin(), columns->begin() + static_cast<std::ptrdiff_t>(table.columns()));
}

// Its columns were named by an origin that knew another history.
std::optional<ChangesetTable> place_of_named(const ReplicatedSchema& schema, const RowPlaces::Hidden& hidden,
                                             const ChangesetTable& table) {
  const ReplicatedTable* const now = schema.find(table.name);
  const auto fits = [&](const std::string& name) { return has_column(*now, hidden, name); };
  if (now != nullptr && std::all_of(table.names.begin(), table.names.end(), fits)) return std::nullopt;
  LayoutHistory::Place place = schema.layouts().follow(0, table.name, table.names);
  if (now != nullptr) {  // what can be found by its own name is
    if (place.table != table.name) return std::nullopt;
    for (std::size_t i = 0; i < table.names.size(); ++i) {
      if (fits(table.names[i])) place.names[i] = table.names[i];
    }
  }
  if (schema.find(place.table) == nullptr) place.table.clear();
  return ChangesetTable{place.table, table.key, std::move(place.names)};
}

}  // namespace

RowPlaces::RowPlaces(const ReplicatedSchema& schema, ChangesetView changeset, std::optional<std::uint64_t> shape,
                     const Hidden& hidden) {
  if (shape && !schema.layouts().empty()) find(schema, hidden, tables_of(changeset), *shape);
}

const ChangesetTable* RowPlaces::of(std::size_t tables_begun) const {
  if (tables_begun > places_.size() || !places_[tables_begun - 1]) return nullptr;
  return &*places_[tables_begun - 1];
}

// The origin had a schema that the log led to, if not the latest then an earlier one.
void RowPlaces::find(const ReplicatedSchema& schema, const Hidden& hidden, std::vector<ChangesetTable> tables,
                     std::uint64_t shape) {
  for (std::size_t from = schema.layouts().size() + 1; from-- > 0;) {
    std::uint64_t shape_then = 0;
    std::vector<std::vector<std::string>> names;
    for (const ChangesetTable& table : tables) {
      if (table.name.empty()) continue;
      std::optional<std::vector<std::string>> then =
          table.names.empty() ? names_at(schema, from, table) : std::optional(table.names);
      if (!then) break;
      shape_then = combine_shapes(shape_then, table_shape(*then, then->size()));
      names.push_back(std::move(*then));
    }
    const auto sections =
        std::count_if(tables.begin(), tables.end(), [](const auto& table) { return !table.name.empty(); });
    if (names.size() != static_cast<std::size_t>(sections) || shape_then != shape) continue;
    auto of_table = names.begin();
    for (const ChangesetTable& table : tables) {
      std::optional<ChangesetTable>& place = places_.emplace_back();
      if (table.name.empty()) continue;
      if (!table.names.empty()) {
        place = place_of_named(schema, hidden, table);
      } else if (from < schema.layouts().size() && schema.layouts().columns_before(from, table.name) != nullptr) {
        LayoutHistory::Place now = schema.layouts().follow(from, table.name, *of_table);
        if (schema.find(now.table) == nullptr) now.table.clear();
        place = ChangesetTable{now.table, table.key, std::move(now.names)};
      }
      ++of_table;
    }
    return;
  }
  is_unknown_ = true;
}

}  // namespace colony
