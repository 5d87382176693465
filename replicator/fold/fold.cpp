#include "replicator/fold/fold.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "replicator/fold/json.h"
#include "replicator/fold/schema_fold.h"
#include "replicator/fold/schema_undo.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

Conflict conflict_of(ConflictKind kind, const ReplicatedTable& table, const std::vector<Value>& key_holder,
                     const std::vector<Value>& lost) {
  std::vector<Value> key(key_holder.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (table.key[i] != 0) key[i] = key_holder[i];
  }
  return {kind, table.name, json_row(table.columns, key), json_row(table.columns, lost)};
}

// No node's `colony init` takes them.
bool is_never_replicated(const std::string& name) { return is_own_name(name) || name.starts_with("sqlite_"); }

// A name that strangers have chosen, in one line.
std::string shown(const std::string& name) {
  std::string text = name.substr(0, 100);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

// SQLite would take '7' for 7 there, and who compares keys would not.
void check_key(const ReplicatedTable& table, const Change& change) {
  if (has_fitting_key(table, change)) return;
  throw ChangesetError("the key of a row of table " + table.name + " is no integer");
}

// The values of `row` in the columns that `change` changes without having known
// them; empty if it knew them all.
std::vector<Value> unknown_values(const Change& change, const std::vector<Value>& row) {
  std::vector<Value> lost(row.size());
  bool any = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool changed = change.op == Operation::kDelete || change.after[i].defined();
    if (!changed || identical(change.before[i], row[i])) continue;
    lost[i] = row[i];
    any = true;
  }
  return any ? lost : std::vector<Value>();
}

// Beyond this many tables, times the widths in which they came, one begins anew.
constexpr std::size_t kTablesAtHandMax = 10'000;

constexpr const char* kWithoutTheApp =
    "change or drop that, so that SQLite alone can do it (an index can also be fed by the app), and this node goes on "
    "by itself";

}  // namespace

Database open_for_fold(const std::string& path, const std::optional<SpillSettings>& spill) {
  Database db(path, Database::Mode::kReadWrite);
  if (spill) db.set_spill(*spill);
  sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  // Rows that REPLACE displaces fire the triggers of derived tables only then.
  db.execute(
      "PRAGMA recursive_triggers = ON; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; "
      "PRAGMA synchronous = NORMAL");
  return db;
}

// While one lives, the recorder sees every change of the connection.
class Fold::Recording {
 public:
  explicit Recording(Fold& fold) : fold_(fold), outermost_(!fold.recording_) {
    if (!outermost_) return;
    fold_.recorder_.clear();
    fold_.recording_ = true;
    fold_.recording_failed_ = nullptr;
    linked_host().preupdate_hook(fold_.db_.handle(), &Recording::on_preupdate, &fold_);
  }
  ~Recording() {
    if (!outermost_) return;
    linked_host().preupdate_hook(fold_.db_.handle(), nullptr, nullptr);
    fold_.recording_ = false;
    fold_.recorder_.clear();
  }
  // To be called before what was recorded is used.
  static void check(const Fold& fold) {
    if (fold.recording_failed_) std::rethrow_exception(fold.recording_failed_);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  static void on_preupdate(void* context, sqlite3*, int op, const char* schema, const char* table,
                           sqlite3_int64 old_rowid, sqlite3_int64) noexcept {
    if (std::string_view(schema) != "main") return;
    auto* const fold = static_cast<Fold*>(context);
    if (fold->recording_paused_) return;
    try {
      fold->recorder_.record(op, table, old_rowid);
    } catch (...) {
      fold->recording_failed_ = std::current_exception();  // no exception may pass SQLite
    }
  }

  Fold& fold_;
  bool outermost_;
};

Fold::Fold(Database& db, ReplicatedSchema& schema)
    : db_(db),
      schema_(schema),
      recorder_(db.handle(), "main", linked_host(), db.spill()),
      destroyed_(db.spill()),
      cache_(db),
      savepoint_(db, "SAVEPOINT fold"),
      rollback_to_(db, "ROLLBACK TO fold"),
      release_(db, "RELEASE fold") {
  schema_changed();
}

Fold::~Fold() = default;

void Fold::schema_changed() {
  statements_.clear();
  std::vector<std::string> names;
  any_unique_ = false;
  for (const auto& [name, table] : schema_.tables()) {
    names.push_back(name);
    any_unique_ |= !table.unique.empty();
  }
  if (!recording_) recorder_.clear();
  recorder_.set_tables(names);
  derived_ = install_derived_triggers(db_, names);
}

void Fold::check_derived() const {
  for (const auto& [table, derived] : derived_) {
    if (derived.trouble.empty()) continue;
    throw SchemaMismatch("has rows of table " + table + ", whose " + derived.trouble, kWithoutTheApp);
  }
}

TableStatements& Fold::statements_for(const ChangesetTable& table) {
  auto& statements = statements_[{table.name, table.columns()}];
  at_work_on_ = statements ? &statements->table() : nullptr;
  if (!statements) {
    const ReplicatedTable* const definition = schema_.find(table.name);
    if (definition == nullptr && is_never_replicated(table.name)) {
      throw ChangesetError("it changes " + shown(table.name) + ", which is not the app's");
    }
    if (definition == nullptr) {
      throw SchemaMismatch("changes table " + shown(table.name) + ", which this file does not replicate");
    }
    if (table.columns() > definition->columns.size()) {
      throw SchemaMismatch("changes table " + table.name + " with " + std::to_string(table.columns()) +
                           " columns, and here it has " + std::to_string(definition->columns.size()));
    }
    at_work_on_ = definition;
    if (const auto derived = derived_.find(table.name); derived != derived_.end() && !derived->second.trouble.empty()) {
      throw SchemaMismatch("changes table " + table.name + ", whose " + derived->second.trouble, kWithoutTheApp);
    }
    statements = std::make_unique<TableStatements>(cache_, *definition, table.columns());
  }
  // Each changeset says what the key is, and not all need say the same.
  const std::vector<std::uint8_t>& key = statements->table().key;
  const auto after = key.begin() + static_cast<std::ptrdiff_t>(table.columns());
  if (!std::equal(table.key.begin(), table.key.end(), key.begin()) ||
      std::any_of(after, key.end(), [](auto place) { return place != 0; })) {
    throw SchemaMismatch("changes table " + table.name + ", which has another primary key here");
  }
  return *statements;
}

std::size_t Fold::visible_columns(const ReplicatedTable& table) const {
  const auto hidden = hidden_columns_.find(table.name);
  return table.columns.size() - (hidden == hidden_columns_.end() ? 0 : hidden->second);
}

ChangesetTable Fold::visible_part(const ReplicatedTable& table) const {
  const auto columns = static_cast<std::ptrdiff_t>(visible_columns(table));
  return {table.name, {table.key.begin(), table.key.begin() + columns}};
}

// For the rows of a changeset that come next: under its columns, or under all there are
// where those lie otherwise.
TableStatements* Fold::begin_table(const ChangesetReader& reader) {
  const ChangesetTable* const place = places_.of(reader.tables_begun());
  const ChangesetTable& table = place != nullptr ? *place : reader.table();
  mapping_.reset();
  if (table.name.empty()) {
    mapping_ = ColumnMapping::to_nowhere(reader.table().name, table);
    return nullptr;
  }
  const ReplicatedTable* const definition = table.names.empty() ? nullptr : schema_.find(table.name);
  if (definition != nullptr) mapping_ = ColumnMapping::between(*definition, table, visible_columns(*definition));
  TableStatements& statements = statements_for(mapping_ ? visible_part(*definition) : table);
  shape_ = combine_shapes(shape_, mapping_ ? table_shape(table.names, table.names.size()) : statements.shape());
  return &statements;
}

// Puts change_ where it belongs. False if that is nowhere.
bool Fold::find_place(TableStatements* table, Conflicts& conflicts) {
  if (!mapping_ && !schema_.layouts().empty() && !has_fitting_key(table->table(), change_)) map_by_position(*table);
  if (mapping_ && !mapping_->map(change_, &conflicts)) return false;
  check_key(table->table(), change_);
  if (!schema_.layouts().empty()) replace_nulls(table->table());
  return true;
}

// The columns are called what they were, and have other types now.
void Fold::map_by_position(const TableStatements& statements) {
  const ReplicatedTable& table = statements.table();
  const auto columns = static_cast<std::ptrdiff_t>(statements.columns());
  mapping_ = ColumnMapping::between(table,
                                    {table.name,
                                     {table.key.begin(), table.key.begin() + columns},
                                     {table.columns.begin(), table.columns.begin() + columns}},
                                    statements.columns());
}

// Who wrote them did not know yet that these columns may not be NULL.
void Fold::replace_nulls(const ReplicatedTable& table) {
  for (std::size_t i = 0; i < change_.after.size(); ++i) {
    if (table.instead_of_null[i].empty() || change_.after[i].type != ValueType::kNull) continue;
    std::string_view instead = table.instead_of_null[i];
    change_.after[i] = take_value(instead);
  }
}

// A STRICT table does not take every type, nor an INTEGER PRIMARY KEY every key. The row stays as it is.
bool Fold::is_refused(int rc, const TableStatements& table, const std::vector<Value>& key_holder,
                      const std::vector<Value>& values, Conflicts& conflicts) {
  if (rc != SQLITE_CONSTRAINT_DATATYPE && rc != SQLITE_MISMATCH) return false;
  conflicts.add(conflict_of(ConflictKind::kNoPlace, table.table(), key_holder, values));
  return true;
}

// Only changes of tables with unique indexes can get into each other's way, and
// only if there are two of them.
bool Fold::can_collide(ChangesetView changeset) {
  if (!any_unique_) return false;
  ChangesetReader reader(changeset);
  return reader.next(change_) && reader.next(change_);
}

void Fold::take_back(const SchemaChanges& done) {
  take_back_schema(db_, done);
  if (schema_.refresh(db_)) schema_changed();
}

void Fold::change_schema(const SchemaChanges& changes, std::uint64_t known, Conflicts& conflicts) {
  SchemaFold schema(db_, {schema_.layouts(), known}, conflicts, recording_ ? &destroyed_ : nullptr);
  const bool recording = std::exchange(recording_paused_, true);
  schema.apply(changes);
  recording_paused_ = recording;
  schema_done_ = schema.done();
  if (schema_.refresh(db_)) schema_changed();
  if (!recording_) return;
  for (const std::string& table : schema.rewritten()) recorder_.record_all(table, Operation::kInsert);
}

// Rows that they displace are recorded like those of the transaction.
void Fold::make_unique_indexes(const SchemaChanges& changes, std::uint64_t known, Conflicts& conflicts) {
  if (changes.empty()) return;
  SchemaFold schema(db_, {schema_.layouts(), known}, conflicts);
  schema.apply(changes);
  schema_done_.insert(schema_done_.end(), schema.done().begin(), schema.done().end());
  if (schema_.refresh(db_)) schema_changed();
}

void Fold::apply(ChangesetView changeset, Conflicts& conflicts, std::optional<std::uint64_t> shape) {
  schema_done_.clear();
  destroyed_.clear();
  SchemaChanges after;
  std::uint64_t known = 0;
  if (begins_with_schema(changeset.bytes)) {
    const SchemaAndRows parts = split_schema(changeset);
    known = parts.known;
    after = after_rows(parts.schema);
    change_schema(before_rows(parts.schema), known, conflicts);
    changeset = parts.rows;
  }
  places_ = RowPlaces(schema_, changeset, shape, hidden_columns_);
  apply_rows(changeset, conflicts);
  const bool is_explained = !schema_.layouts().empty() && !places_.is_unknown();
  if (shape && *shape != shape_ && !is_explained && !recording_) {
    throw SchemaMismatch("changes a table whose columns have other names, or another order, here");
  }
  make_unique_indexes(after, known, conflicts);
}

void Fold::apply_rows(ChangesetView changeset, Conflicts& conflicts) {
  // Other nodes decide how many widths of how many tables are spoken of.
  if (statements_.size() > kTablesAtHandMax) statements_.clear();
  at_work_on_ = nullptr;
  try {
    apply_unexplained(changeset, conflicts);
  } catch (const SqliteError& error) {
    explain(error);
  }
}

void Fold::apply_unexplained(ChangesetView changeset, Conflicts& conflicts) {
  const Conflicts::Mark conflicts_before = conflicts.mark();
  const std::size_t mark = recorder_.mark();
  const bool keeps_a_way_back = can_collide(changeset);
  if (keeps_a_way_back) savepoint_.run();
  if (!apply_one_by_one(changeset, conflicts)) {
    // Without a savepoint it was a lone change, which then has changed nothing.
    if (keeps_a_way_back) rollback_to_.run();
    recorder_.truncate(mark);
    conflicts.truncate(conflicts_before);
    apply_as_set(changeset, conflicts);
  }
  if (keeps_a_way_back) release_.run();
}

// What of it is the schema's, or an index's that triggers feed, is told as that.
void Fold::explain(const SqliteError& error) {
  if (at_work_on_ == nullptr) throw error;
  const std::string& table = at_work_on_->name;
  if (error.code() == SQLITE_ERROR) {
    const std::string known = what_only_the_app_has(error.what());
    if (!known.empty()) throw SchemaMismatch("changes table " + table + ", which " + known, kWithoutTheApp);
  }
  const auto derived = derived_.find(table);
  if (error.extended_code() != SQLITE_CORRUPT_VTAB || derived == derived_.end()) throw error;
  std::string names, advice;
  for (const std::string& fed : derived->second.fed) {
    names += (names.empty() ? "" : " or ") + fed;
    advice += (advice.empty() ? "" : ", ") + how_to_rebuild(db_, fed);
  }
  throw SchemaMismatch("changes table " + table + ", and the index of the virtual table " + names +
                           ", which its triggers feed, does not match its rows (the file itself is sound)",
                       advice + ", and this node goes on by itself");
}

Spill Fold::apply_recorded(ChangesetView changeset, Conflicts& conflicts, std::optional<std::uint64_t> shape) {
  const Recording recording(*this);
  apply(changeset, conflicts, shape);
  Recording::check(*this);
  Spill effect(db_.spill());
  if (destroyed_.size() > 0) {
    std::string head(1, kBeforeSection);
    append_varint(head, destroyed_.size());
    effect.append(head);
    effect.append(destroyed_);
  }
  effect.append(encoded(schema_done_));
  recorder_.write_changeset([&](std::string& bytes, std::uint64_t) {
    effect.append(bytes);
    bytes.clear();
  });
  return effect;
}

// False when a change collided with a unique index.
bool Fold::apply_one_by_one(ChangesetView changeset, Conflicts& conflicts) {
  ChangesetReader reader(changeset);
  TableStatements* table = nullptr;
  std::size_t tables = 0;
  shape_ = 0;
  while (reader.next(change_)) {
    if (tables != reader.tables_begun()) {
      tables = reader.tables_begun();
      table = begin_table(reader);
    }
    if (!find_place(table, conflicts)) continue;
    if (!apply_change(*table, change_, conflicts)) return false;
  }
  return true;
}

bool Fold::apply_change(TableStatements& table, const Change& change, Conflicts& conflicts) {
  switch (change.op) {
    case Operation::kInsert:
      return apply_insert(table, change, conflicts);
    case Operation::kUpdate:
      return apply_update(table, change, conflicts);
    case Operation::kDelete:
      apply_delete(table, change, conflicts);
      return true;
  }
  return true;
}

bool Fold::apply_insert(TableStatements& table, const Change& change, Conflicts& conflicts) {
  const int rc = table.insert(change.after);
  if (rc == SQLITE_DONE || is_refused(rc, table, change.after, change.after, conflicts)) return true;
  if (!table.select(change.after, row_, row_storage_)) return false;
  conflicts.add(conflict_of(ConflictKind::kInsertExists, table.table(), row_, row_));
  if (derived_.contains(table.table().name)) return replace_whole(table, change);
  const int updated = table.update(change.after, change.after);
  return updated == SQLITE_DONE || is_refused(updated, table, change.after, change.after, conflicts);
}

// An INSERT over a row, as its DELETE and an INSERT: an app that never updates rows has no
// trigger that would make its index follow an UPDATE.
bool Fold::replace_whole(TableStatements& table, const Change& change) {
  const ReplicatedTable& definition = table.table();
  TableStatements& whole = statements_for({definition.name, definition.key});
  whole.select(change.after, row_, row_storage_);
  std::copy(change.after.begin(), change.after.end(), row_.begin());
  whole.erase(change.after);
  return whole.insert(row_) == SQLITE_DONE;
}

bool Fold::apply_update(TableStatements& table, const Change& change, Conflicts& conflicts) {
  bool matched = false;
  const int rc = table.update_exact(change, matched);
  if (is_refused(rc, table, change.before, change.after, conflicts)) return true;
  if (rc != SQLITE_DONE) return false;
  if (matched) return true;
  if (!table.select(change.before, row_, row_storage_)) {
    conflicts.add(conflict_of(ConflictKind::kUpdateMissing, table.table(), change.before, change.after));
    return true;
  }
  if (const std::vector<Value> lost = unknown_values(change, row_); !lost.empty()) {
    conflicts.add(conflict_of(ConflictKind::kUpdateDiffers, table.table(), row_, lost));
  }
  const int updated = table.update(change.before, change.after);
  return updated == SQLITE_DONE || is_refused(updated, table, change.before, change.after, conflicts);
}

void Fold::apply_delete(TableStatements& table, const Change& change, Conflicts& conflicts) {
  bool matched = false;
  table.delete_exact(change, matched);
  if (matched) return;
  if (!table.select(change.before, row_, row_storage_)) {
    conflicts.add(conflict_of(ConflictKind::kDeleteMissing, table.table(), change.before, {}));
    return;
  }
  if (!unknown_values(change, row_).empty()) {
    conflicts.add(conflict_of(ConflictKind::kDeleteDiffers, table.table(), row_, row_));
  }
  table.erase(change.before);
}

// Takes the row of change_, which `exists` or not, out of the table. What it is to
// become goes to `images`: the statements that know its columns, and their values.
void Fold::take_out(TableStatements& table, bool exists, Spill& images) {
  TableStatements* of_image = &table;
  const std::vector<Value>* image = &change_.after;
  if (exists) {
    const ReplicatedTable& definition = table.table();
    if (table.columns() < definition.columns.size()) {
      // Columns that are younger than the changeset keep their values.
      of_image = &statements_for({definition.name, definition.key});
      const std::vector<Value>& key = change_.op == Operation::kInsert ? change_.after : change_.before;
      of_image->select(key, row_, row_storage_);
    }
    for (std::size_t i = 0; i < change_.after.size(); ++i) {
      if (change_.after[i].defined()) row_[i] = change_.after[i];
    }
    image = &row_;
  }
  images.tail().append(reinterpret_cast<const char*>(&of_image), sizeof of_image);
  for (const Value& value : *image) append_value(images.tail(), value);
  images.settle();
  if (exists) table.erase(row_);
}

// Sections of one table follow one another: each of them is a set.
void Fold::apply_as_set(ChangesetView changeset, Conflicts& conflicts) {
  const Recording recording(*this);
  Spill images(db_.spill());
  std::set<const ReplicatedTable*> taken_out;
  TableStatements* table = nullptr;
  ChangesetReader reader(changeset);
  std::size_t tables = 0;
  shape_ = 0;
  while (reader.next(change_)) {
    if (tables != reader.tables_begun()) {
      tables = reader.tables_begun();
      table = begin_table(reader);
      if (table != nullptr && !taken_out.insert(&table->table()).second) {
        put_images(images, conflicts);
        taken_out = {&table->table()};
      }
    }
    if (!find_place(table, conflicts)) continue;
    const bool exists =
        table->select(change_.op == Operation::kInsert ? change_.after : change_.before, row_, row_storage_);
    if (change_.op == Operation::kDelete) {
      apply_delete(*table, change_, conflicts);
      continue;
    }
    if (change_.op == Operation::kInsert) {
      if (exists) conflicts.add(conflict_of(ConflictKind::kInsertExists, table->table(), row_, row_));
    } else if (!exists) {
      conflicts.add(conflict_of(ConflictKind::kUpdateMissing, table->table(), change_.before, change_.after));
      continue;
    } else if (const std::vector<Value> lost = unknown_values(change_, row_); !lost.empty()) {
      conflicts.add(conflict_of(ConflictKind::kUpdateDiffers, table->table(), row_, lost));
    }
    take_out(*table, exists, images);
  }
  put_images(images, conflicts);
}

void Fold::put_images(Spill& images, Conflicts& conflicts) {
  std::vector<Value> row;
  for (std::string_view rest = images.view(); !rest.empty(); images.passed(images.size() - rest.size())) {
    TableStatements* table = nullptr;
    std::memcpy(&table, rest.data(), sizeof table);
    rest.remove_prefix(sizeof table);
    at_work_on_ = &table->table();
    row.resize(table->columns());
    for (Value& value : row) value = take_value(rest);
    put(*table, row, conflicts);
  }
  images.clear();
}

// Inserts a row whose key is free, and deletes what is in its way.
void Fold::put(TableStatements& table, const std::vector<Value>& row, Conflicts& conflicts) {
  if (table.insert(row) == SQLITE_DONE) return;
  const std::size_t mark = recorder_.mark();
  const int rc = table.insert_or_replace(row);
  if (is_refused(rc, table, row, row, conflicts)) return;
  if (rc != SQLITE_DONE) {
    throw SqliteError(rc, "a row of table " + table.table().name + " cannot be put: " + sqlite3_errmsg(db_.handle()));
  }
  Recording::check(*this);
  std::vector<Conflict> displaced;
  recorder_.for_each_delete_since(mark, [&](const ChangesetTable& from, const std::vector<Value>& gone) {
    const ReplicatedTable& definition = *schema_.find(from.name);
    if (on_displaced_) on_displaced_(definition, gone);
    const std::vector<Value> visible(gone.begin(),
                                     gone.begin() + static_cast<std::ptrdiff_t>(visible_columns(definition)));
    displaced.push_back(conflict_of(ConflictKind::kDisplaced, definition, visible, visible));
  });
  // SQLite goes by the order in which this file's indexes were made.
  std::sort(displaced.begin(), displaced.end(), [](const Conflict& a, const Conflict& b) { return a.key < b.key; });
  for (const Conflict& conflict : displaced) conflicts.add(conflict);
}

}  // namespace colony
