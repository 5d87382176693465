#include "sqlite_ext/net_rows.h"

#include <array>

namespace colony {
namespace {

// Appends the encoded values of the key to `keys`.
void append_key(std::string& keys, const ChangesetTable& layout, std::string_view values) {
  // The key stands in the first half of every record: before's, or an INSERT's only one.
  for (const std::uint8_t place : layout.key) {
    const char* const start = values.data();
    take_value(values);
    if (place != 0) keys.append(start, static_cast<std::size_t>(values.data() - start));
  }
}

Change decode(const ChangesetTable& layout, Operation op, std::string_view values) {
  Change change;
  change.op = op;
  if (op != Operation::kInsert) change.before.resize(layout.columns());
  if (op != Operation::kDelete) change.after.resize(layout.columns());
  for (Value& value : change.before) value = take_value(values);
  for (Value& value : change.after) value = take_value(values);
  return change;
}

// Forgets the columns that are as they were; false when none is left.
bool drop_unchanged(Change& update, const ChangesetTable& layout) {
  bool changed = false;
  for (std::size_t i = 0; i < layout.columns(); ++i) {
    if (layout.key[i] != 0) {
      update.after[i] = Value{};
    } else if (update.after[i].defined() && identical(update.before[i], update.after[i])) {
      update.before[i] = update.after[i] = Value{};
    } else {
      changed |= update.after[i].defined();
    }
  }
  return changed;
}

void overlay(std::vector<Value>& values, const std::vector<Value>& over) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (over[i].defined()) values[i] = over[i];
  }
}

}  // namespace

void NetRows::grow() {
  slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    std::size_t slot = rows_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

NetRows::Row& NetRows::row_of(std::uint32_t table, const ChangesetTable& layout, Operation op, std::string_view values,
                              bool& fresh) {
  if (rows_.size() * 2 >= slots_.size()) grow();
  const std::size_t key_at = keys_.size();
  append_key(keys_, layout, values);
  const std::string_view key = std::string_view(keys_).substr(key_at);
  const std::uint64_t hash = std::hash<std::string_view>{}(key) ^ (table * 0x9e3779b97f4a7c15u);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == 0) {
      slots_[slot] = static_cast<std::uint32_t>(rows_.size() + 1);
      fresh = true;
      return rows_.emplace_back(
          Row{table, static_cast<std::uint32_t>(key.size()), key_at, hash, false, op, values, std::nullopt});
    }
    Row& row = rows_[slots_[slot] - 1];
    if (row.hash == hash && row.table == table && std::string_view(keys_).substr(row.key_at, row.key_size) == key) {
      keys_.resize(key_at);
      fresh = false;
      return row;
    }
  }
}

void NetRows::add(std::uint32_t table, const ChangesetTable& layout, Operation op, std::string_view values) {
  bool fresh = false;
  Row& row = row_of(table, layout, op, values, fresh);
  if (!fresh) merge(row, layout, op, values);
}

void NetRows::merge(Row& row, const ChangesetTable& layout, Operation op, std::string_view values) {
  if (row.gone) {
    row.gone = false;
    row.op = op;
    row.values = values;
    row.merged.reset();
    return;
  }
  if (!row.merged) row.merged = decode(layout, row.op, row.values);
  Change& net = *row.merged;
  const Change next = decode(layout, op, values);
  if (net.op == Operation::kInsert && next.op == Operation::kUpdate) {
    overlay(net.after, next.after);
  } else if (net.op == Operation::kInsert && next.op == Operation::kDelete) {
    row.gone = true;
  } else if (net.op == Operation::kUpdate && next.op == Operation::kUpdate) {
    for (std::size_t i = 0; i < layout.columns(); ++i) {
      if (!next.after[i].defined()) continue;
      if (!net.before[i].defined()) net.before[i] = next.before[i];
      net.after[i] = next.after[i];
    }
    row.gone = !drop_unchanged(net, layout);
  } else if (net.op == Operation::kUpdate && next.op == Operation::kDelete) {
    const std::vector<Value> original = std::move(net.before);
    net.before = next.before;
    overlay(net.before, original);
    net.after.clear();
    net.op = Operation::kDelete;
  } else if (net.op == Operation::kDelete && next.op == Operation::kInsert) {
    net.after = next.after;
    net.op = Operation::kUpdate;
    row.gone = !drop_unchanged(net, layout);
  } else {
    throw ChangesetError("changes of one row that cannot follow one another");
  }
  row.op = net.op;
}

void NetRows::write(std::string& out, const std::function<const ChangesetTable&(std::uint32_t)>& layout_of) const {
  std::vector<std::uint32_t> tables;  // in the order of their first rows
  std::vector<std::array<std::vector<const Row*>, 3>> by_table;
  for (const Row& row : rows_) {
    if (row.gone) continue;
    std::size_t t = 0;
    while (t < tables.size() && tables[t] != row.table) ++t;
    if (t == tables.size()) {
      tables.push_back(row.table);
      by_table.emplace_back();
    }
    const int phase = row.op == Operation::kDelete ? 0 : row.op == Operation::kUpdate ? 1 : 2;
    by_table[t][static_cast<std::size_t>(phase)].push_back(&row);
  }
  ChangesetWriter writer(out);
  for (std::size_t t = 0; t < tables.size(); ++t) {
    writer.begin_table(layout_of(tables[t]));
    for (const auto& phase : by_table[t]) {
      for (const Row* row : phase) {
        if (row->merged) {
          writer.add(*row->merged);
        } else {
          writer.add_encoded(row->op, row->values);
        }
      }
    }
  }
}

}  // namespace colony
