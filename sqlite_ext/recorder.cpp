#include "sqlite_ext/recorder.h"

#include <map>
#include <memory>
#include <utility>

#include "sqlite_ext/carry_over.h"
#include "sqlite_ext/copied_columns.h"
#include "sqlite_ext/net_rows.h"

namespace colony {
namespace {

Value realified(Value value, bool real) {
  return real && value.type == ValueType::kInteger ? Value::of_real(static_cast<double>(value.integer)) : value;
}

// The index by which the preupdate functions know a column. In a WITHOUT ROWID
// table only the new values of an UPDATE are ever in storage order.
int hook_index(const CapturedTable& table, std::size_t column, bool storage_order, bool new_of_update) {
  const CapturedColumn& c = table.columns[column];
  const bool stored = storage_order && (!table.without_rowid || new_of_update);
  return stored ? c.stored_index : c.declared_index;
}

}  // namespace

void throw_record_error(sqlite3* db, const char* what) {
  throw RecordError(std::string("colony: ") + what + ": " + sqlite3_errmsg(db));
}

Recorder::~Recorder() { release_statements(); }

void Recorder::release_statements() {
  for (Table& table : tables_) {
    sqlite3_finalize(table.stored);
    table.stored = nullptr;
    table.stored_read = false;
  }
  statements_ = 0;
}

void Recorder::set_tables(const std::vector<std::string>& names) {
  std::vector<RecordedTable> tables;
  for (const std::string& name : names) tables.push_back({name, name});
  set_tables(tables);
  keeps_names_ = true;
}

void Recorder::set_tables(const std::vector<RecordedTable>& tables, bool keep) {
  release_statements();
  if (empty() && !keep) {
    tables_.clear();
    index_.clear();
    objects_.clear();
  }
  const std::unordered_map<std::string, std::uint32_t> former = std::exchange(objects_, {});
  index_.clear();
  found_ = kNone;
  keeps_names_ = false;
  newly_touched_.clear();
  for (const RecordedTable& table : tables) {
    std::optional<CapturedTable> layout = load_captured_table(db_, schema_, table.name);
    if (!layout) continue;
    if (table.named) {
      for (const CapturedColumn& column : layout->columns) layout->header.names.push_back(column.name);
    }
    const auto known = former.find(table.object);
    auto number = static_cast<std::uint32_t>(tables_.size());
    if (known != former.end() && tables_[known->second].layout == *layout) {
      number = known->second;
    } else {
      tables_.emplace_back().layout = std::move(*layout);
      tables_.back().object = table.object;
    }
    index_.emplace(table.name, number);
    objects_.emplace(table.object, number);
    // Rows of it may be in the recording.
    if (known == former.end() || !tables_[known->second].touched) continue;
    tables_[number].touched = true;
    newly_touched_.push_back(number);
  }
}

std::vector<std::string> Recorder::take_newly_touched() {
  std::vector<std::string> names;
  for (const std::uint32_t table : newly_touched_) names.push_back(tables_[table].layout.header.name);
  newly_touched_.clear();
  return names;
}

Recorder::Table* Recorder::find(const char* name) {
  if (index_.empty()) return nullptr;
  if (found_ < tables_.size() && tables_[found_].layout.header.name == name) return &tables_[found_];
  const auto found = index_.find(name);
  if (found == index_.end()) return nullptr;
  found_ = found->second;
  return &tables_[found_];
}

void Recorder::prepare_stored(Table& table) {
  const CapturedTable& layout = table.layout;
  std::string columns, condition;
  table.stored_places.clear();
  int places = 0;
  for (const CapturedColumn& column : layout.columns) {
    table.stored_places.push_back(places);
    if (!column.has_default && !column.shown_as_real) continue;
    columns += (places++ == 0 ? "" : ", ") + quoted(column.name);
  }
  if (!layout.without_rowid) condition = "rowid = ?1";
  for (std::size_t i = 0; layout.without_rowid && i < layout.columns.size(); ++i) {
    if (layout.header.key[i] == 0) continue;
    condition += (condition.empty() ? "" : " AND ") + quoted(layout.columns[i].name) + " = ?" + std::to_string(i + 1);
  }
  const std::string sql =
      "SELECT " + columns + " FROM " + quoted(schema_) + "." + quoted(layout.header.name) + " WHERE " + condition;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &table.stored, nullptr) != SQLITE_OK) {
    throw RecordError(std::string("cannot read a row that changes: ") + sqlite3_errmsg(db_));
  }
  ++statements_;
}

void Recorder::bind_stored(Table& table, sqlite3_int64 rowid) {
  const CapturedTable& layout = table.layout;
  if (!layout.without_rowid) {
    sqlite3_bind_int64(table.stored, 1, rowid);
    return;
  }
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    if (layout.header.key[i] == 0) continue;
    sqlite3_value* key = nullptr;
    host_.preupdate_old(db_, layout.columns[i].declared_index, &key);
    sqlite3_bind_value(table.stored, static_cast<int>(i + 1), key);
  }
}

// What a SELECT shows of a column where the hook does not: it gives NULL for one
// that was added after the row was written, and may give a real for an integer.
Value Recorder::stored_value(Table& table, std::size_t column, sqlite3_int64 rowid) {
  if (table.stored == nullptr) prepare_stored(table);
  if (!table.stored_read) {
    bind_stored(table, rowid);
    table.stored_read = true;
    if (sqlite3_step(table.stored) != SQLITE_ROW) return Value::null();
  }
  return value_of(sqlite3_column_value(table.stored, table.stored_places[column]));
}

void Recorder::done_with_stored(Table& table) {
  constexpr std::size_t kStatementsMax = 64;
  if (!table.stored_read) return;
  sqlite3_reset(table.stored);
  table.stored_read = false;
  if (statements_ > kStatementsMax) release_statements();
}

Value Recorder::old_value(Table& table, std::size_t column, sqlite3_int64 rowid) {
  const CapturedColumn& c = table.layout.columns[column];
  sqlite3_value* raw = nullptr;
  const int rc =
      host_.preupdate_old(db_, hook_index(table.layout, column, host_.preupdate_in_storage_order, false), &raw);
  if (rc != SQLITE_OK) throw RecordError("cannot see the old values of a row that changes");
  Value value = value_of(raw);
  const bool misread = value.type == ValueType::kReal && c.shown_as_real && host_.preupdate_in_storage_order;
  if (misread || (value.type == ValueType::kNull && c.has_default)) value = stored_value(table, column, rowid);
  return realified(value, c.real);
}

Value Recorder::new_value(const Table& table, std::size_t column, int op) {
  sqlite3_value* raw = nullptr;
  const int index = hook_index(table.layout, column, host_.preupdate_in_storage_order, op == SQLITE_UPDATE);
  if (host_.preupdate_new(db_, index, &raw) != SQLITE_OK) {
    throw RecordError("cannot see the new values of a row that changes");
  }
  return realified(value_of(raw), table.layout.columns[column].real);
}

bool Recorder::record(int op, const char* name, sqlite3_int64 old_rowid) {
  Table* const table = find(name);
  if (table == nullptr) return false;
  if (table->layout.rowid_key_displaced && host_.preupdate_in_storage_order) {
    throw RecordError("this version of SQLite cannot show the changes of table " + table->layout.header.name +
                      ", which has a virtual generated column before its INTEGER PRIMARY KEY: declare the key first");
  }
  // SQLite announces it as a DELETE, and the new value cannot be had.
  if (op == SQLITE_DELETE && host_.preupdate_blobwrite != nullptr && host_.preupdate_blobwrite(db_) >= 0) {
    throw RecordError("a BLOB of table " + table->layout.header.name +
                      " was written with sqlite3_blob_write(), which cannot be captured: use UPDATE, and compare the "
                      "nodes with colony verify");
  }
  if (!table->touched) {
    newly_touched_.push_back(found_);
    table->touched = true;
  }
  const std::size_t columns = table->layout.columns.size();
  before_.assign(op == SQLITE_INSERT ? 0 : columns, Value{});
  after_.assign(op == SQLITE_DELETE ? 0 : columns, Value{});
  struct DoneWithStored {
    Recorder& recorder;
    Table& table;
    ~DoneWithStored() { recorder.done_with_stored(table); }
  } const done{*this, *table};
  for (std::size_t i = 0; i < before_.size(); ++i) before_[i] = old_value(*table, i, old_rowid);
  for (std::size_t i = 0; i < after_.size(); ++i) after_[i] = new_value(*table, i, op);

  log_.append_row(found_, table->layout.header.key, before_, after_);
  return true;
}

void Recorder::append(const std::string& name, std::vector<Value>& before, std::vector<Value>& after) {
  Table* const table = find(name.c_str());
  if (table == nullptr) return;
  table->touched = true;
  log_.append_row(found_, table->layout.header.key, before, after);
}

void Recorder::move_to(sqlite3* db) {
  release_statements();
  db_ = db;
}

void Recorder::record_all(const std::string& name, Operation op) {
  Table* const table = find(name.c_str());
  if (table == nullptr) return;
  if (op == Operation::kDelete) table->touched = true;
  std::string columns;
  for (const CapturedColumn& column : table->layout.columns) {
    columns += (columns.empty() ? "" : ", ") + quoted(column.name);
  }
  const std::string sql = "SELECT " + columns + " FROM " + quoted(schema_) + "." + quoted(name);
  sqlite3_stmt* rows = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &rows, nullptr) != SQLITE_OK) {
    throw_record_error(db_, "cannot read a table");
  }
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> owner(rows, sqlite3_finalize);
  const std::size_t start = mark();
  std::vector<Value> row(table->layout.columns.size());
  int rc = SQLITE_OK;
  while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
    bool has_key = true;
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = value_of(sqlite3_column_value(rows, static_cast<int>(i)));
      has_key &= table->layout.header.key[i] == 0 || row[i].type != ValueType::kNull;
    }
    if (!has_key) continue;
    if (op == Operation::kDelete) {
      log_.append(found_, op, row, {});
    } else {
      log_.append(found_, op, {}, row);
    }
  }
  if (rc == SQLITE_DONE) return;
  truncate(start);
  throw_record_error(db_, "cannot read a table");
}

std::uint32_t Recorder::first_number(const std::string& object) const {
  for (std::uint32_t number = 0; number < tables_.size(); ++number) {
    if (tables_[number].object == object && !tables_[number].carried) return number;
  }
  return NetRows::kLeftOut;
}

std::uint32_t Recorder::last_number(const std::string& object) const {
  for (std::uint32_t number = static_cast<std::uint32_t>(tables_.size()); number-- > 0;) {
    if (tables_[number].object == object && !tables_[number].carried) return number;
  }
  return NetRows::kLeftOut;
}

std::vector<std::string> Recorder::last_columns(const std::string& object) const {
  std::vector<std::string> names;
  const std::uint32_t last = last_number(object);
  if (last == NetRows::kLeftOut) return names;
  for (const CapturedColumn& column : tables_[last].layout.columns) names.push_back(column.name);
  return names;
}

std::uint32_t Recorder::number_of_name(const std::string& table) const {
  const auto found = index_.find(table);
  return found == index_.end() ? NetRows::kLeftOut : found->second;
}

// As deletes, under the columns that it had last.
Spill Recorder::rows_of_gone(const std::string& gone) const {
  const std::uint32_t last = last_number(gone);
  Spill deleted(log_.spill());
  write(
      [&](std::string& bytes, std::uint64_t) {
        deleted.append(bytes);
        bytes.clear();
      },
      [&](std::uint32_t number) {
        return tables_[number].object == gone && !tables_[number].carried ? last : NetRows::kLeftOut;
      });
  return deleted;
}

Recorder::ColumnNames Recorder::renamed_by_copy(const std::string& gone, const std::string& table) const {
  const std::uint32_t present = number_of_name(table);
  const std::uint32_t last = last_number(gone);
  if (present == NetRows::kLeftOut || last == NetRows::kLeftOut) return {};
  CopiedColumns columns(db_, schema_, tables_[last].layout, tables_[present].layout);
  if (!columns.any()) return {};
  Spill deleted = rows_of_gone(gone);
  ChangesetReader reader(deleted);
  Change change;
  while (columns.any() && reader.next(change)) columns.compare(change.before);
  return columns.renamed();
}

void Recorder::record_carried(const std::string& gone, const std::string& table, const ColumnNames& renamed,
                              const std::map<std::string, std::string>& fills,
                              const std::map<std::string, std::string>& for_null) {
  const std::uint32_t present = number_of_name(table);
  const std::uint32_t last = last_number(gone);
  if (present == NetRows::kLeftOut || last == NetRows::kLeftOut) return;
  const auto carried = static_cast<std::uint32_t>(tables_.size());
  Table& made = tables_.emplace_back();
  made.layout = tables_[present].layout;
  made.object = gone;
  made.carried = true;
  Spill deleted = rows_of_gone(gone);
  CapturedTable from = tables_[last].layout;
  for (CapturedColumn& column : from.columns) {
    if (const auto now = renamed.find(column.name); now != renamed.end()) column.name = now->second;
  }
  CarryOver carry(from, tables_[present].layout, fills, for_null);
  ChangesetReader reader(deleted);
  Change change;
  while (reader.next(change)) {
    const std::vector<Value>* const row = carry.carry(change.before);
    if (row != nullptr) log_.append(carried, Operation::kDelete, *row, {});
  }
}

// A single record is its own net change; most transactions have just one.
void Recorder::write_changeset_of_one(const ChangeLog::Record& record, const Drain& drain) const {
  const CapturedTable& table = tables_[record.table].layout;
  std::string out;
  out.reserve(table.header.columns() + table.header.name.size() + record.values.size() + 8);
  ChangesetWriter writer(out);
  writer.begin_table(table.header);
  writer.add_encoded(record.op, record.values);
  drain(out, combine_shapes(0, table.shape));
}

// Under which number the rows of a table go into the changeset.
std::uint32_t Recorder::present_number(std::uint32_t table, const std::set<std::string>& left_out) const {
  if (tables_[table].carried) return number_of_name(tables_[table].layout.header.name);
  const std::string& object = tables_[table].object;
  if (!left_out.empty() && left_out.contains(object)) return NetRows::kLeftOut;
  const auto found = objects_.find(object);
  if (found == objects_.end() || found->second == table) return table;
  const CapturedTable &was = tables_[table].layout, &is = tables_[found->second].layout;
  for (std::size_t i = 0; i < was.columns.size() && i < is.columns.size(); ++i) {
    const bool same_name = !keeps_names_ || was.columns[i].name == is.columns[i].name;
    if (same_name && was.header.key[i] == is.header.key[i]) continue;
    throw RecordError("colony: table " + was.header.name +
                      " was given other columns in a transaction that had changed its rows: commit in between");
  }
  return found->second;
}

void Recorder::write_changeset(const Drain& drain, const std::set<std::string>& left_out) const {
  if (log_.empty()) return;
  if (const ChangeLog::Record first = log_.at(0);
      first.end == log_.size() && present_number(first.table, left_out) == first.table) {
    write_changeset_of_one(first, drain);
    return;
  }
  write(drain, [&](std::uint32_t table) { return present_number(table, left_out); });
}

void Recorder::write_before(const Drain& drain, const std::set<std::string>& gone) const {
  write(drain, [&](std::uint32_t table) {
    const bool is_gone = !tables_[table].carried && gone.contains(tables_[table].object);
    return is_gone ? first_number(tables_[table].object) : NetRows::kLeftOut;
  });
}

void Recorder::write_after(const Drain& drain, const std::set<std::string>& gone) const {
  write(drain,
        [&](std::uint32_t table) { return tables_[table].carried ? NetRows::kLeftOut : present_number(table, gone); });
}

void Recorder::write(const Drain& drain, const NumberOf& number_of) const {
  std::map<std::pair<std::uint32_t, std::size_t>, std::string> defaults;
  const NetRows net(
      log_, {[this](std::uint32_t table) -> const ChangesetTable& { return tables_[table].layout.header; }, number_of,
             [&](std::uint32_t table, std::size_t column) {
               std::string& encoded = defaults[{table, column}];
               const CapturedColumn& c = tables_[table].layout.columns[column];
               if (encoded.empty()) encoded = encoded_default(c.type, c.default_sql);
               std::string_view bytes = encoded;
               return take_value(bytes);
             }});
  std::uint64_t shape = 0;
  for (const std::uint32_t table : net.tables()) shape = combine_shapes(shape, tables_[table].layout.shape);
  net.write([&](std::string& bytes) { drain(bytes, shape); });
}

}  // namespace colony
