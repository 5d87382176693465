#include "replicator/snapshots/snapshot_maker.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "replicator/apply/rebase.h"
#include "replicator/file/staging_file.h"
#include "replicator/snapshot_store/snapshot_file.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/statement_progress.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr int kPagesAtOnce = 1024;

void leave_write_ahead_log(Database& db) {
  if (db.query_text("PRAGMA journal_mode") != "wal") return;
  if (db.query_text("PRAGMA journal_mode = DELETE") != "delete") {
    throw Error(db.path() + " cannot be taken out of WAL mode: another program has it open");
  }
}

// What came back of an own transaction whose end is yet to come stands in the
// outbox here; for everybody else they are parts.
void keep_own_fragments(Database& db, NodeFile& file) {
  if (file.has_left(file.identity().incarnation)) return;  // then nobody waits for its end
  Statement insert(db,
                   "INSERT INTO __colony_parts(origin, piece, changeset) SELECT ?1, piece, changeset "
                   "FROM __colony_outbox WHERE piece <= ?2");
  insert.bind(1, file.identity().node).bind(2, static_cast<std::int64_t>(file.absorbed().value())).run();
}

SnapshotName name_of(NodeFile& file) {
  SnapshotName name;
  name.cluster = file.identity().cluster;
  name.node = file.identity().node;
  name.position = file.position();
  name.log_bytes = file.log_bytes();
  name.epoch = file.epoch();
  name.made_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  return name;
}

// Makes the copy of a node's file what any node can begin from.
SnapshotName take_out_node(const std::string& path, const GoOn& go_on) {
  Database db = open_for_fold(path);
  std::uint64_t steps = 0;
  const StatementProgress goes_on(db, [&] { go_on(++steps, 0); });  // and it is not stopped half-way
  // What is deleted is not shipped, and zeroes compress well.
  db.execute("PRAGMA secure_delete = ON; PRAGMA synchronous = OFF");
  leave_write_ahead_log(db);
  NodeFile file(db);
  SnapshotName name = name_of(file);
  WriteTransaction transaction(db);
  keep_own_fragments(db, file);
  take_out_pending(db, file);
  file.forget_identity();
  COLONY_STEP("snapshot.node_taken_out");
  transaction.commit();
  return name;
}

// Before that its rows are its own, and may not be the colony's.
void check_has_met_colony(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  NodeFile file(db);
  if (file.has_met_colony() && file.position() != Sequence()) return;
  throw Error("node " + file.identity().node + " has not yet met its colony: start colony run first");
}

}  // namespace

// All pages as of one moment: those of the read transaction that is open meanwhile.
void copy_pages(const std::string& from, const std::string& to, const GoOn& go_on, const BeginRead& begin) {
  Database source(from, Database::Mode::kReadOnly);
  begin_read(source, begin);
  const auto page_bytes = static_cast<std::uint64_t>(source.query_integer("PRAGMA page_size"));
  Database copy(to, Database::Mode::kReadWrite);
  copy.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
  sqlite3_backup* const backup = sqlite3_backup_init(copy.handle(), "main", source.handle(), "main");
  if (backup == nullptr) throw SqliteError(sqlite3_extended_errcode(copy.handle()), sqlite3_errmsg(copy.handle()));
  int rc = SQLITE_OK;
  bool stopped = false;
  while (rc == SQLITE_OK && !stopped) {
    rc = sqlite3_backup_step(backup, kPagesAtOnce);
    const auto pages = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup));
    const auto left = static_cast<std::uint64_t>(sqlite3_backup_remaining(backup));
    stopped = !go_on((pages - left) * page_bytes, pages * page_bytes);
  }
  sqlite3_backup_finish(backup);
  if (stopped) throw Interrupted();
  if (rc != SQLITE_DONE) throw SqliteError(rc, "cannot copy " + from + " to " + to + ": " + sqlite3_errstr(rc));
}

SnapshotName make_base(const std::string& database, const std::string& to, const GoOn& go_on, const BeginRead& begin) {
  copy_pages(database, to, go_on, begin);
  COLONY_STEP("snapshot.pages_copied");
  check_has_met_colony(to);
  return take_out_node(to, go_on);
}

void copy_without_node(const std::string& database, const std::string& to, const GoOn& go_on, const BeginRead& begin) {
  copy_pages(database, to, go_on, begin);
  take_out_node(to, go_on);
}

SnapshotName make_snapshot(const std::string& database, const std::string& to, const GoOn& go_on,
                           const BeginRead& begin) {
  const StagingFile copy(to + ".content", mode_of(database));
  SnapshotName name = make_base(database, copy.path(), go_on, begin);
  COLONY_STEP("snapshot.content_ready");
  write_snapshot_file({name.cluster, name.epoch, name.position}, copy.path(), to, go_on);
  return name;
}

CatalogedSnapshot store_snapshot(const std::string& database, SnapshotCatalog& catalog, const GoOn& go_on,
                                 const BeginRead& begin) {
  const StagingFile file(database + kSnapshotSuffix + std::to_string(getpid()), mode_of(database));
  const SnapshotName name = make_snapshot(database, file.path(), go_on, begin);
  COLONY_STEP("snapshot.compressed");
  catalog.put(name, file.path(), go_on);
  COLONY_STEP("snapshot.stored");
  return {name, std::filesystem::file_size(file.path())};
}

void back_up(const std::string& database, const std::string& to, const GoOn& go_on) {
  if (access(to.c_str(), F_OK) == 0) throw Error(to + " exists already: choose another name");
  const StagingFile copy(to + ".unfinished", mode_of(database));
  copy_pages(database, copy.path(), go_on);
  make_plain(copy.path());
  COLONY_STEP("backup.plain");
  copy.finish_as(to);
  COLONY_STEP("backup.in_place");
}

void make_plain(const std::string& path) {
  Database db(path, Database::Mode::kReadWrite);
  install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
  {
    WriteTransaction transaction(db);
    drop_layout(db);
    transaction.commit();
  }
  leave_write_ahead_log(db);
}

}  // namespace colony
