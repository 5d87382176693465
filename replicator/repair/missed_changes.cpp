#include "replicator/repair/missed_changes.h"

#include <algorithm>
#include <utility>

#include "replicator/fold/column_mapping.h"
#include "replicator/fold/fold.h"
#include "replicator/fold/table_fates.h"
#include "replicator/repair/missed_schema.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/noted_schema.h"
#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/layout_log.h"
#include "sqlite_ext/outbox_writer.h"

namespace colony {
namespace {

// The scratch file as it was, at the end.
class Savepoint {
 public:
  explicit Savepoint(Database& db) : db_(db) { db_.execute("SAVEPOINT missed"); }
  ~Savepoint() { sqlite3_exec(db_.handle(), "ROLLBACK TO missed; RELEASE missed", nullptr, nullptr, nullptr); }
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;

 private:
  Database& db_;
};

// The replicated tables as they were noted. One that SQLite cannot make without the app is left
// out: nothing is then known of its columns but by the log.
Database noted_tables(Database& of) {
  Database db("", Database::Mode::kReadWrite);
  db.execute("CREATE TABLE __colony_tables(name TEXT PRIMARY KEY, definition TEXT NOT NULL DEFAULT '')");
  const std::optional<SchemaObjects> noted = noted_schema(of);
  if (!noted) return db;
  Statement insert(db, "INSERT INTO __colony_tables(name) VALUES(?1)");
  for (const std::string& table : replicated_tables(of)) {
    const auto object = noted->find(table);
    if (object == noted->end() || object->second.type != "table") continue;
    try {
      db.execute(object->second.sql);
    } catch (const SqliteError&) {
      continue;
    }
    insert.bind(1, table).run();
  }
  return db;
}

std::vector<std::string> names_of(const ReplicatedSchema& schema) {
  std::vector<std::string> names;
  for (const auto& [name, table] : schema.tables()) names.push_back(name);
  return names;
}

// A column of which neither the log nor what was noted knows would not be compared.
void check_same_columns(const ReplicatedSchema& mine, const ReplicatedSchema& theirs) {
  for (const auto& [name, table] : theirs.tables()) {
    const ReplicatedTable* const my_table = mine.find(name);
    if (my_table == nullptr || my_table->columns == table.columns) continue;
    throw Error("table " + name +
                " has other columns than the log says, and what programs have committed while no colony run was "
                "running cannot be told: make its columns what they are on the other nodes");
  }
}

}  // namespace

std::uint64_t MissedChanges::Found::rows() const {
  std::uint64_t rows = 0;
  for (const DifferingRows& table : tables) rows += table.rows();
  return rows;
}

MissedChanges::MissedChanges(const std::string& database, const std::string& base, Log* log, GoOn go_on)
    : db_(open_for_fold(database)),
      records_(db_),
      noted_(noted_tables(db_)),
      expected_(base, noted_, log, std::move(go_on)),
      changeset_(db_.spill()) {}

MissedChanges::Place MissedChanges::place_of(NodeFile& file) {
  return {file.position(), file.outbox_end(), file.absorbed(), file.repairs()};
}

void MissedChanges::prepare() { expected_.follow(records_); }

const MissedChanges::Found& MissedChanges::find(Database& pinned, const std::function<void()>& go_on) {
  changeset_.clear();
  effect_.reset();
  found_ = {};
  {
    NodeFile records(pinned);
    expected_.follow(records);
    place_ = place_of(records);
  }
  check_tables_are_known(pinned);
  found_.schema = MissedSchema(pinned).changes();
  fill_new_columns(expected_.db(), pinned, found_.schema);
  compare_rows(pinned, go_on);
  if (!found_.schema.empty()) make_effect();
  return found_;
}

void MissedChanges::check_tables_are_known(Database& pinned) {
  const std::optional<SchemaObjects> noted = noted_schema(pinned);
  ReplicatedSchema present;
  if (!noted) present.load(pinned);
  for (const std::string& table : replicated_tables(pinned)) {
    const bool was_there = noted ? noted->contains(table) : present.find(table) != nullptr;
    if (!was_there || expected_.schema().find(table) != nullptr) continue;
    throw Error("table " + table +
                " is replicated here, and was not when the snapshot was made, so that what its rows must be is not "
                "known: run colony snapshot on another node, and this one goes on by itself");
  }
}

// With the changes of the schema made in the scratch file, and taken back.
void MissedChanges::compare_rows(Database& pinned, const std::function<void()>& go_on) {
  Database& scratch = expected_.db();
  const Savepoint savepoint(scratch);
  ReplicatedSchema mine, theirs;
  theirs.load(scratch);
  if (!found_.schema.empty()) {
    const std::string section = encoded(found_.schema, count_layouts(scratch.handle(), "main"));
    Fold fold(scratch, theirs);
    Conflicts conflicts(scratch.spill());
    fold.apply(section, conflicts);
    changeset_.append(section);
  }
  mine.load(pinned, names_of(theirs));
  check_same_columns(mine, theirs);
  RowDifferences rows(pinned, mine, scratch, theirs, {});
  rows.compare(go_on);
  for (const DifferingRows& of_table : rows.count()) {
    if (of_table.rows() > 0) found_.tables.push_back(of_table);
    if (of_table.keyless > 0) found_.keyless.push_back(of_table);
  }
  Spill changes(db_.spill());
  shape_ = rows.write_changeset(changes);
  if (found_.schema.empty() && !records_.is_unconfirmed()) {
    changeset_.append(changes);
  } else {
    Spill named = with_column_names(mine, changes, db_.spill());
    changeset_.append(named);
  }
}

// What is to be undone of it, and what the file knows of its tables after it.
void MissedChanges::make_effect() {
  Database& scratch = expected_.db();
  const Savepoint savepoint(scratch);
  ReplicatedSchema schema;
  schema.load(scratch);
  const std::uint64_t known_layouts = count_layouts(scratch.handle(), "main");
  {
    Fold fold(scratch, schema);
    Conflicts conflicts(scratch.spill());
    Spill effect = fold.apply_recorded(changeset_, conflicts, shape_);
    if (!Spill::equal(effect, changeset_)) effect_ = with_column_names(schema, effect, db_.spill());
  }
  agreed_ = agreed_definitions(scratch);
  new_layouts_.clear();
  Statement layouts(scratch, "SELECT name, columns, change FROM __colony_layouts ORDER BY id LIMIT -1 OFFSET ?1");
  layouts.bind(1, static_cast<std::int64_t>(known_layouts));
  while (layouts.step()) {
    new_layouts_.push_back({std::string(layouts.text(0)), std::string(layouts.blob(1)), std::string(layouts.blob(2))});
  }
}

void MissedChanges::put(const std::function<void(Database& db)>& capture_since, std::function<bool()> go_on_waiting) {
  db_.wait_for_locks([go_on_waiting = std::move(go_on_waiting)](int) { return go_on_waiting(); });
  WriteTransaction transaction(db_);
  COLONY_STEP("missed.locked");
  if (place_of(records_) != place_) throw FileChanged(db_.path() + " was changed by another colony command meanwhile");
  if (found_.any()) queue();
  COLONY_STEP("missed.queued");
  note_schema(db_);
  capture_since(db_);
  COLONY_STEP("missed.captured");
  transaction.commit();
  COLONY_STEP("missed.committed");
}

void MissedChanges::queue() {
  OutboxWriter outbox(db_.handle(), "main");
  outbox.write(changeset_.view(), shape_);
  if (found_.schema.empty()) return;
  const ChunkNumber first(static_cast<std::uint64_t>(outbox.first_written())), last = records_.outbox_end();
  if (effect_) records_.set_effect(first, last, *effect_);
  records_.set_unconfirmed(first);
  write_agreement();
}

void MissedChanges::write_agreement() {
  db_.execute("DELETE FROM __colony_tables");
  Statement table(db_, "INSERT INTO __colony_tables(name, definition) VALUES(?1, ?2)");
  for (const auto& [name, definition] : agreed_) table.bind(1, name).bind(2, definition).run();
  Statement layout(db_, "INSERT INTO __colony_layouts(name, columns, change) VALUES(?1, ?2, ?3)");
  for (const std::vector<std::string>& row : new_layouts_) {
    layout.bind(1, row[0]).bind_blob(2, row[1]).bind_blob(3, row[2]).run();
  }
}

}  // namespace colony
