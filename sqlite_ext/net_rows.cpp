#include "sqlite_ext/net_rows.h"

#include <algorithm>
#include <limits>

namespace colony {
namespace {

// Calls visit(bytes) with each encoded value of the key. It stands in the first
// half of every record: before's, or an INSERT's only one.
template <class Visit>
void for_each_key_value(const ChangesetTable& layout, std::string_view values, Visit&& visit) {
  for (const std::uint8_t place : layout.key) {
    const char* const start = values.data();
    take_value(values);
    if (place != 0) visit(std::string_view(start, static_cast<std::size_t>(values.data() - start)));
  }
}

std::uint32_t hash_of(std::uint32_t table, const ChangesetTable& layout, std::string_view values) {
  std::uint64_t hash = table * 0x9e3779b97f4a7c15u;
  for_each_key_value(layout, values, [&](std::string_view value) {
    hash = (hash ^ std::hash<std::string_view>{}(value)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  });
  return static_cast<std::uint32_t>(hash);
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

// Makes of `net` what comes to the same as `net` and then `next`; false if that is
// nothing.
bool merge_next(Change& net, const Change& next, const ChangesetTable& layout) {
  if (net.op == Operation::kInsert && next.op == Operation::kUpdate) {
    overlay(net.after, next.after);
    return true;
  }
  if (net.op == Operation::kInsert && next.op == Operation::kDelete) return false;
  if (net.op == Operation::kUpdate && next.op == Operation::kUpdate) {
    for (std::size_t i = 0; i < layout.columns(); ++i) {
      if (!next.after[i].defined()) continue;
      if (!net.before[i].defined()) net.before[i] = next.before[i];
      net.after[i] = next.after[i];
    }
    return drop_unchanged(net, layout);
  }
  if (net.op == Operation::kUpdate && next.op == Operation::kDelete) {
    const std::vector<Value> original = std::move(net.before);
    net.before = next.before;
    overlay(net.before, original);
    net.after.clear();
    net.op = Operation::kDelete;
    return true;
  }
  if (net.op == Operation::kDelete && next.op == Operation::kInsert) {
    net.after = next.after;
    net.op = Operation::kUpdate;
    return drop_unchanged(net, layout);
  }
  throw ChangesetError("changes of one row that cannot follow one another");
}

int phase_of(Operation op) { return op == Operation::kDelete ? 0 : op == Operation::kUpdate ? 1 : 2; }

}  // namespace

NetRows::NetRows(const ChangeLog& log, LayoutOf layout_of)
    : NetRows(log, Tables{std::move(layout_of), [](std::uint32_t table) { return table; }, {}}) {}

NetRows::NetRows(const ChangeLog& log, Tables tables) : log_(log), of_(std::move(tables)) {
  for (std::size_t at = 0; at < log_.size();) {
    const ChangeLog::Record record = log_.at(at);
    add(at, record);
    at = record.end;
    log_.passed(at);
  }
  slots_ = {};
  settle_repeated();
  put_in_order();
}

// As a change of the present layout; false if none of that layout's columns changes.
bool NetRows::decode(const ChangeLog::Record& record, std::uint32_t present, Change& change) const {
  const ChangesetTable& noted = of_.layout_of(record.table);
  std::string_view values = record.values;
  change.op = record.op;
  change.before.assign(record.op == Operation::kInsert ? 0 : noted.columns(), Value{});
  change.after.assign(record.op == Operation::kDelete ? 0 : noted.columns(), Value{});
  for (Value& value : change.before) value = take_value(values);
  for (Value& value : change.after) value = take_value(values);
  if (record.table == present) return true;
  const ChangesetTable& layout = of_.layout_of(present);
  for (std::vector<Value>* row : {&change.before, &change.after}) {
    if (row->empty()) continue;
    row->resize(layout.columns());
    if (record.op == Operation::kUpdate) continue;
    for (std::size_t i = noted.columns(); i < layout.columns(); ++i) (*row)[i] = of_.value_before(present, i);
  }
  return record.op != Operation::kUpdate || drop_unchanged(change, layout);
}

void NetRows::grow() {
  slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    std::size_t slot = rows_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

// The columns that two layouts of a table share have the whole key.
bool NetRows::same_key(const Row& row, const ChangeLog::Record& record) const {
  const ChangeLog::Record first = log_.at(row.at);
  std::string_view here = first.values, there = record.values;
  const std::vector<std::uint8_t>& key = of_.layout_of(record.table).key;
  const std::size_t shared = std::min(key.size(), of_.layout_of(first.table).columns());
  for (std::size_t i = 0; i < shared; ++i) {
    const Value a = take_value(here), b = take_value(there);
    if (key[i] != 0 && !identical(a, b)) return false;
  }
  return true;
}

void NetRows::add(std::size_t at, const ChangeLog::Record& record) {
  const std::uint32_t table = of_.present_of(record.table);
  if (table == kLeftOut) return;
  if (rows_.size() + repeats_.size() >= std::numeric_limits<std::uint32_t>::max() / 2) {
    throw ChangesetError("a transaction changes more rows than can be counted");
  }
  if (rows_.size() * 2 >= slots_.size()) grow();
  const std::uint32_t hash = hash_of(table, of_.layout_of(record.table), record.values);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == 0) {
      slots_[slot] = static_cast<std::uint32_t>(rows_.size() + 1);
      rows_.push_back({.at = at, .hash = hash, .table = table, .op = record.op, .recast = table != record.table});
      return;
    }
    Row& row = rows_[slots_[slot] - 1];
    if (row.hash != hash || row.table != table || !same_key(row, record)) continue;
    repeats_.push_back({at, 0});
    const auto repeat = static_cast<std::uint32_t>(repeats_.size());
    if (row.first_repeat == 0) {
      row.first_repeat = repeat;
    } else {
      repeats_[row.last_repeat - 1].next = repeat;
    }
    row.last_repeat = repeat;
    return;
  }
}

// The net change of a row; false if it is none.
bool NetRows::merge(const Row& row, Change& net) const {
  const ChangesetTable& layout = of_.layout_of(row.table);
  bool gone = !decode(log_.at(row.at), row.table, net);
  Change next;
  for (std::uint32_t repeat = row.first_repeat; repeat != 0; repeat = repeats_[repeat - 1].next) {
    if (!decode(log_.at(repeats_[repeat - 1].at), row.table, next)) continue;
    if (gone) {
      std::swap(net, next);
      gone = false;
    } else {
      gone = !merge_next(net, next, layout);
    }
  }
  return !gone;
}

void NetRows::settle_repeated() {
  Change net;
  for (Row& row : rows_) {
    if (row.first_repeat == 0 && !row.recast) continue;
    row.gone = !merge(row, net);
    row.op = net.op;
  }
}

// By table, and within a table DELETEs, UPDATEs, INSERTs, each as they came.
void NetRows::put_in_order() {
  std::vector<std::uint32_t> counts;  // per table and phase; then where these begin
  std::vector<std::uint32_t> places;  // per table's number, its place in tables_ plus 1
  for (const Row& row : rows_) {
    if (row.gone) continue;
    if (row.table >= places.size()) places.resize(row.table + 1, 0);
    if (places[row.table] == 0) {
      tables_.push_back(row.table);
      places[row.table] = static_cast<std::uint32_t>(tables_.size());
      counts.resize(tables_.size() * 3, 0);
    }
    ++counts[(places[row.table] - 1) * 3 + static_cast<std::size_t>(phase_of(row.op))];
  }
  std::uint32_t begin = 0;
  for (std::uint32_t& count : counts) begin += std::exchange(count, begin);
  order_.resize(begin);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    if (row.gone) continue;
    const std::size_t kind = (places[row.table] - 1) * 3 + static_cast<std::size_t>(phase_of(row.op));
    order_[counts[kind]++] = static_cast<std::uint32_t>(i);
  }
}

void NetRows::write(const std::function<void(std::string& bytes)>& drain) const {
  constexpr std::size_t kBytesAtOnce = 64u << 10;
  std::string out;
  ChangesetWriter writer(out);
  Change net;
  const Row* before = nullptr;
  for (const std::uint32_t i : order_) {
    const Row& row = rows_[i];
    if (before == nullptr || before->table != row.table) writer.begin_table(of_.layout_of(row.table));
    before = &row;
    if (row.first_repeat == 0 && !row.recast) {
      writer.add_encoded(row.op, log_.at(row.at).values);
    } else {
      merge(row, net);
      writer.add(net);
    }
    if (out.size() < kBytesAtOnce) continue;
    drain(out);
    log_.passed(row.at);
  }
  if (!out.empty()) drain(out);
}

}  // namespace colony
