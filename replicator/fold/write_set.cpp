#include "replicator/fold/write_set.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "replicator/fold/column_mapping.h"
#include "replicator/fold/row_places.h"

namespace colony {
namespace {

// Mixed into the numbers so that a row, an index's value and an index as a whole
// do not look alike.
enum class Kind : char { kRow = 'r', kUnique = 'u', kPresent = 'p', kPartial = 'c' };

std::uint64_t hash(const std::string& bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string begin(Kind kind, const std::string& table) {
  std::string bytes(1, static_cast<char>(kind));
  bytes += table;
  bytes += '\0';
  return bytes;
}

// What a column would make of it that takes numbers.
Value as_number(const Value& value) {
  constexpr std::string_view kSpaces = " \t\n\v\f\r";
  if (value.type != ValueType::kText) return value;
  std::string_view text = value.bytes();
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(kSpaces)));
  text.remove_suffix(text.size() - 1 - std::min(text.size() - 1, text.find_last_not_of(kSpaces)));
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer); read.ec == std::errc() && read.ptr == end) {
    return Value::of_integer(integer);
  }
  double real = 0;
  if (const auto read = std::from_chars(text.data(), end, real); read.ec == std::errc() && read.ptr == end) {
    return Value::of_real(real);
  }
  return value;
}

// Appends a form of the value that is the same for all that the collation holds equal. 1 and
// 1.0 are equal wherever SQLite compares them, and so may be '1', by the type of the column,
// which may have been another one when the value was written.
void append_canonical(std::string& bytes, const Value& written, Collation collation, const std::string& type) {
  constexpr double kIntegersEnd = 9223372036854775808.0;  // the first that is none: 2^63
  const Value value = type.empty() ? written : as_number(written);
  if (value.type == ValueType::kReal && value.real >= -kIntegersEnd && value.real < kIntegersEnd &&
      std::trunc(value.real) == value.real) {
    return append_value(bytes, Value::of_integer(static_cast<std::int64_t>(value.real)));
  }
  if (value.type != ValueType::kText || collation == Collation::kBinary) return append_value(bytes, value);
  std::string text(value.bytes());
  if (collation == Collation::kNoCase) {
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
  } else if (collation == Collation::kRightTrim) {
    text.resize(text.find_last_not_of(' ') + 1);
  }
  append_value(bytes, Value::of_text(text));
}

// Adds what a row's values, before or after the change, are to a unique index.
void add_unique(const ReplicatedTable& table, const UniqueIndex& index, Operation op,
                const std::vector<Value>& key_holder, const std::vector<Value>& values, WriteSet& write_set) {
  std::string bytes = begin(Kind::kUnique, table.name) + index.name + '\0';
  std::size_t changed = 0, known = 0;
  bool lacks_columns = false;
  for (std::size_t i = 0; i < index.columns.size(); ++i) {
    const std::size_t column = index.columns[i];
    if (column >= values.size()) {  // the changeset is older than the column
      lacks_columns = true;
      continue;
    }
    const bool is_key = table.key[column] != 0;
    const Value& value = is_key ? key_holder[column] : values[column];
    if (!value.defined()) continue;
    if (value.type == ValueType::kNull) return;  // NULLs are all different
    changed += !is_key;
    ++known;
    append_canonical(bytes, value, index.collations[i], table.types[column]);
  }
  // A row that comes or goes does so with what it holds in a column that is not known.
  const bool comes_or_goes = lacks_columns && op != Operation::kUpdate;
  if (!index.opaque && !comes_or_goes && changed == 0 && known < index.columns.size())
    return;  // none of its columns changes
  const std::uint64_t present = hash(begin(Kind::kPresent, table.name) + index.name);
  const std::uint64_t partial = hash(begin(Kind::kPartial, table.name) + index.name);
  const bool whole = !index.opaque && known == index.columns.size();
  if (whole) {
    write_set.writes.push_back(hash(bytes));
    write_set.overlaps.push_back(hash(bytes));
    if (index.columns.size() == 1) return;  // never known in part
  }
  write_set.writes.push_back(present);
  write_set.overlaps.push_back(partial);
  if (!whole) {
    write_set.writes.push_back(partial);
    write_set.overlaps.push_back(present);
  }
}

}  // namespace

std::uint64_t row_fingerprint(const ReplicatedTable& table, const std::vector<Value>& row) {
  std::string bytes = begin(Kind::kRow, table.name);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (table.key[i] != 0) append_canonical(bytes, row[i], table.key_collations[i], table.types[i]);
  }
  return hash(bytes);
}

void add_to_write_set(const ReplicatedSchema& schema, ChangesetView changeset, WriteSet& write_set,
                      std::optional<std::uint64_t> shape) {
  const RowPlaces places(schema, changeset, shape);
  ChangesetReader reader(changeset);
  Change change;
  const ReplicatedTable* table = nullptr;
  std::size_t tables = 0;
  std::optional<ColumnMapping> mapping;
  while (reader.next(change)) {
    if (tables != reader.tables_begun()) {
      tables = reader.tables_begun();
      const ChangesetTable* const place = places.of(tables);
      const ChangesetTable& from = place != nullptr ? *place : reader.table();
      table = schema.find(from.name);
      mapping.reset();
      if (table != nullptr) mapping = ColumnMapping::between(*table, from, table->columns.size());
    }
    if (table == nullptr) continue;
    if (mapping) {
      if (!mapping->map(change, nullptr)) continue;
    } else if (reader.table().columns() > table->columns.size()) {
      write_set.unfit = "changes table " + table->name + " with " + std::to_string(reader.table().columns()) +
                        " columns, and here it has " + std::to_string(table->columns.size());
      continue;
    }
    const std::vector<Value>& key_holder = change.op == Operation::kInsert ? change.after : change.before;
    const std::uint64_t write = row_fingerprint(*table, key_holder);
    write_set.writes.push_back(write);
    write_set.overlaps.push_back(write);
    for (const UniqueIndex& index : table->unique) {
      if (change.op != Operation::kInsert) add_unique(*table, index, change.op, key_holder, change.before, write_set);
      if (change.op != Operation::kDelete) add_unique(*table, index, change.op, key_holder, change.after, write_set);
    }
  }
}

}  // namespace colony
