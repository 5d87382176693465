#include "replicator/fold/column_mapping.h"

#include <algorithm>
#include <utility>

#include "replicator/fold/json.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {
bool has_fitting_key(const ReplicatedTable& table, const Change& change) {
  for (std::size_t i = 0; table.rowid_key && i < change.key_size(); ++i) {
    if (table.key[i] != 0 && change.key_value(i).type != ValueType::kInteger) return false;
  }
  return true;
}

Spill with_column_names(const ReplicatedSchema& schema, ChangesetView changeset, const SpillSettings& spill) {
  Spill named(spill);
  ChangesetReader reader(changeset);
  Change change;
  std::size_t tables = 0, copied = 0;
  while (reader.next(change)) {
    if (std::exchange(tables, reader.tables_begun()) == reader.tables_begun()) continue;
    const ReplicatedTable* const table = schema.find(reader.table().name);
    if (table == nullptr || !reader.table().names.empty()) continue;
    named.append(changeset.bytes.substr(copied, reader.table_begin() - copied));
    copied = reader.table_begin();
    const auto columns = static_cast<std::ptrdiff_t>(reader.table().columns());
    ChangesetWriter(named.tail()).name_columns({table->columns.begin(), table->columns.begin() + columns});
    named.settle();
  }
  named.append(changeset.bytes.substr(copied));
  return named;
}

std::optional<ColumnMapping> ColumnMapping::between(const ReplicatedTable& table, const ChangesetTable& from,
                                                    std::size_t columns) {
  if (from.names.empty()) return std::nullopt;
  ColumnMapping mapping(table.name, &table, from);
  mapping.from_of_.resize(columns);
  mapping.has_place_.resize(from.names.size());
  mapping.defaults_.resize(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    const auto same = std::find_if(from.names.begin(), from.names.end(), [&](const std::string& name) {
      return folded_name(name) == folded_name(table.columns[i]);
    });
    if (same == from.names.end()) {
      mapping.defaults_[i] = table.value_without(i);
      mapping.same_key_ &= table.key[i] == 0;
      continue;
    }
    const auto place = static_cast<std::size_t>(same - from.names.begin());
    mapping.from_of_[i] = place;
    mapping.has_place_[place] = true;
    mapping.same_key_ &= table.key[i] == from.key[place];
  }
  mapping.conversion_ = std::make_unique<TypeConversion>(
      std::vector<std::string>(table.types.begin(), table.types.begin() + static_cast<std::ptrdiff_t>(columns)));
  for (std::size_t i = 0; i < from.key.size(); ++i) mapping.same_key_ &= mapping.has_place_[i] || from.key[i] == 0;
  return mapping;
}

ColumnMapping ColumnMapping::to_nowhere(const std::string& table, const ChangesetTable& from) {
  ColumnMapping mapping(table, nullptr, from);
  mapping.has_place_.resize(from.key.size());
  mapping.same_key_ = false;
  return mapping;
}

std::vector<Value> ColumnMapping::mapped(const std::vector<Value>& values, bool whole) {
  std::vector<Value> row(from_of_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (from_of_[i]) {
      row[i] = values[*from_of_[i]];
    } else if (whole) {
      std::string_view bytes = defaults_[i];
      row[i] = take_value(bytes);
    }
  }
  conversion_->convert(row);
  return row;
}

std::vector<Value> ColumnMapping::key_of(const Change& change) const {
  std::vector<Value> key(from_.names.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (from_.key[i] != 0) key[i] = change.key_value(i);
  }
  return key;
}

void ColumnMapping::lose(const Change& change, Conflicts& conflicts) const {
  std::vector<Value> lost(from_.names.size());
  bool any = false;
  for (std::size_t i = 0; i < from_.names.size(); ++i) {
    if (change.op == Operation::kDelete || (same_key_ && has_place_[i]) || !change.after[i].defined()) continue;
    lost[i] = change.after[i];
    any |= lost[i].type != ValueType::kNull || !same_key_;
  }
  if (!any && same_key_) return;
  conflicts.add({ConflictKind::kNoPlace, name_, json_row(from_.names, key_of(change)), json_row(from_.names, lost)});
}

bool ColumnMapping::map(Change& change, Conflicts* conflicts) {
  if (conflicts != nullptr) lose(change, *conflicts);
  if (!same_key_) return false;
  const bool whole = change.op != Operation::kUpdate;
  const Change original = change;
  conversion_->forget();
  if (!change.before.empty()) change.before = mapped(change.before, whole);
  if (!change.after.empty()) change.after = mapped(change.after, whole);
  if (!has_fitting_key(*table_, change)) {
    if (conflicts != nullptr && change.op != Operation::kDelete) {
      conflicts->add({ConflictKind::kNoPlace, name_, json_row(from_.names, key_of(original)),
                      json_row(from_.names, original.after)});
    }
    return false;
  }
  if (whole) return true;
  return std::any_of(change.after.begin(), change.after.end(), [](const Value& value) { return value.defined(); });
}

}  // namespace colony
