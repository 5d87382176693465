#include "replicator/repair/repair.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <utility>

#include "replicator/file/staging_file.h"
#include "replicator/repair/kept_rows.h"
#include "replicator/snapshot_store/local_file.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/outbox_writer.h"

namespace colony {
namespace {

// How often the log is followed without the write lock before it is followed under it.
constexpr int kFollowTriesMax = 5;
constexpr int kLockWaitMs = 60'000;

ReplicatedSchema loaded(Database& db, const std::set<std::string>& wanted) {
  ReplicatedSchema schema;
  schema.load(db);
  for (const std::string& name : wanted) {
    if (schema.find(name) == nullptr) throw Error(db.path() + " replicates no table " + name);
  }
  return schema;
}

// What is an index's that triggers feed does not sound so.
void put_theirs(RowDifferences& differences) {
  try {
    differences.put_theirs();
  } catch (const SqliteError& error) {
    if (error.extended_code() != SQLITE_CORRUPT_VTAB) throw;
    throw Error(
        "a virtual table that triggers feed does not match the rows that are to be replaced (the file itself is "
        "sound): "
        "rebuild it, as by INSERT INTO idx(idx) VALUES('rebuild') with FTS5, and try again");
  }
}

// Throws Error if rows cannot be put without the app.
void check_derived(const Fold& fold) {
  try {
    fold.check_derived();
  } catch (const SchemaMismatch& mismatch) {
    throw Error(std::string("this file ") + mismatch.what() + ": " + mismatch.advice());
  }
}

std::set<std::string> as_set(const std::vector<std::string>& names) { return {names.begin(), names.end()}; }

void sync_folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  const LocalFile file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder.string());
  file.sync();
}

// The first of `path`, `path`-2, ... that is not taken, before its extension.
std::string free_name(const std::string& path) {
  const std::string stem = path.substr(0, path.size() - std::filesystem::path(path).extension().string().size());
  std::string name = path;
  for (int n = 2; access(name.c_str(), F_OK) == 0; ++n) {
    name = stem + "-" + std::to_string(n) + std::filesystem::path(path).extension().string();
  }
  return name;
}

}  // namespace

Repair::Repair(const RepairRequest& request, Log* log, GoOn go_on)
    : request_(request),
      go_on_(std::move(go_on)),
      begin_(captured_reads(request.database, [this] { return go_on_(0, 0); })),
      db_(request.reads_only ? Database(request.database, Database::Mode::kReadOnly) : open_for_fold(request.database)),
      records_(db_),
      schema_(loaded(db_, request.tables)),
      expected_(request.base, db_, log, go_on_) {
  db_.wait_for_locks([](int waited_ms) { return waited_ms < kLockWaitMs; });
}

bool Repair::Found::any() const {
  const auto differs = [](const DifferingRows& table) { return table.rows() > 0; };
  return notes.any() || std::any_of(tables.begin(), tables.end(), differs);
}

Repair::Found Repair::find() { return {differences_->count(), notes_->count()}; }

Repair::Found Repair::compare() {
  reading_.emplace(db_, begin_);
  differences_.reset();
  follow();
  position_ = records_.position();
  pending_ = records_.pending_transactions();
  return find();
}

void Repair::compare_rows() {
  differences_->compare([this] {
    if (!go_on_(0, 0)) throw Interrupted();
  });
}

// Where the log, or what is pending, has changed the schema, all is compared anew.
void Repair::follow() {
  expected_.follow(records_);
  if (differences_ && times_read_ == expected_.schema().times_read()) return;
  times_read_ = expected_.schema().times_read();
  notes_.reset();
  differences_.emplace(db_, schema_, expected_.db(), expected_.schema(), request_.tables);
  const std::vector<std::string> tables = differences_->tables();
  notes_.emplace(db_, records_, expected_.db(), expected_.records(), as_set(tables),
                 tables.size() == schema_.tables().size());
  compare_rows();
}

std::vector<std::string> Repair::unknown_tables() const {
  std::vector<std::string> names;
  for (const auto& [name, table] : schema_.tables()) {
    const bool is_wanted = request_.tables.empty() || request_.tables.contains(name);
    if (is_wanted && expected_.schema().find(name) == nullptr) names.push_back(name);
  }
  return names;
}

// In one write transaction, on the rows as they are in it.
Repair::Change Repair::change(const std::function<void(Change&)>& apply) {
  reading_.reset();
  for (int tries = kFollowTriesMax;; --tries) {
    {
      const BegunRead reading(db_, begin_);
      if (schema_.is_current(db_)) follow();  // what may take long
    }
    COLONY_STEP("repair.followed");
    const std::unique_ptr<WalCapture> capture = capture_of(request_.database);
    OwnTransaction transaction(db_, capture.get());
    COLONY_STEP("repair.locked");
    if (tries > 0 && !expected_.is_at(records_.position())) continue;  // the sidecar came in between
    if (schema_.refresh(db_)) throw Error("the tables were altered meanwhile: try again");
    follow();
    Change made{find(), {}};
    if (!made.found.any()) return made;
    change_notes();
    try {
      apply(made);
      transaction.commit();
    } catch (...) {
      if (!made.kept_in.empty()) unlink(made.kept_in.c_str());  // they are where they were
      throw;
    }
    COLONY_STEP("repair.committed");
    return made;
  }
}

void Repair::change_notes() {
  notes_->repair();
  records_.count_repair();
  ask_for_a_check();
  COLONY_STEP("repair.notes_changed");
}

Repair::Change Repair::keep_mine() {
  OutboxWriter outbox(db_.handle(), "main");
  return change([&](Change&) {
    Spill changeset(db_.spill());
    const std::uint64_t shape = differences_->write_changeset(changeset);
    outbox.write(changeset.view(), shape);
    COLONY_STEP("repair.outbox_written");
  });
}

Repair::Change Repair::take_theirs(const std::string& kept_in) {
  reading_.reset();
  const Fold derives(db_, schema_);  // what triggers feed follows the rows
  check_derived(derives);
  return change([&](Change& made) {
    keep_rows(kept_in, made);
    COLONY_STEP("repair.rows_kept");
    put_theirs(*differences_);
    COLONY_STEP("repair.rows_put");
  });
}

void Repair::keep_rows(const std::string& kept_in, Change& change) {
  const StagingFile file(kept_in + ".unfinished", mode_of(request_.database));
  KeptRows kept(file.path());
  differences_->for_each([&](const RowDifference& difference) {
    if (difference.mine != nullptr) kept.add(difference.table, *difference.mine);
    return true;
  });
  if (kept.empty()) return;
  kept.finish();
  change.kept_in = free_name(kept_in);
  file.finish_as(change.kept_in);
  sync_folder_of(change.kept_in);
}

// By the sidecar, if it checks its tables by itself.
void Repair::ask_for_a_check() {
  Statement exists(db_, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '__colony_unchecked'");
  if (!exists.step()) return;
  Statement ask(db_,
                "INSERT OR REPLACE INTO __colony_unchecked(name, since, why) VALUES(?1, strftime('%s', 'now') + 0, "
                "'colony repair has changed its rows')");
  for (const std::string& table : differences_->tables()) ask.bind(1, table).run();
}

std::string kept_rows_path(const std::string& database, std::int64_t time_s) {
  const std::time_t time = time_s;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H-%M-%SZ", &utc);
  return database + "-colony-repair-" + text + ".db";
}

}  // namespace colony
