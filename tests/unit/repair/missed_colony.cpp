#include "tests/unit/repair/missed_colony.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "replicator/membership/enrollment.h"
#include "replicator/snapshot_store/directory_store.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/noted_schema.h"

namespace colony::unit {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

void run_plainly(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  char* error = nullptr;
  const bool opened = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK;
  const int rc = opened ? sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error) : SQLITE_CANTOPEN;
  const std::string why = error == nullptr ? "" : error;
  sqlite3_free(error);
  sqlite3_close(db);
  if (rc != SQLITE_OK) throw Error(why + ", in: " + sql);
}

}  // namespace

MissedColony::MissedColony(const std::string& schema, Met met) {
  stream_.epoch = std::string(32, 'e');
  for (const char* node : {"a", "b"}) {
    std::ofstream(path(node), std::ios::binary);
    Database(path(node), Database::Mode::kReadWrite).execute("PRAGMA synchronous = OFF;" + schema);
    enroll({path(node), "shop", node, std::nullopt});
  }
  app_a_ = std::make_unique<MemoryNode>(ExistingFile{path("a")});
  app_b_ = std::make_unique<MemoryNode>(ExistingFile{path("b")});
  a_ = std::make_unique<MemorySidecar>(stream_, *app_a_, "a");
  b_ = std::make_unique<MemorySidecar>(stream_, *app_b_, "b");
  if (met == Met::kBoth) settle();
  if (met == Met::kAlone) a_->settle();
}

void MissedColony::snapshot(const std::string& node) {
  std::filesystem::remove(base());
  std::ofstream(base(), std::ios::binary);
  make_base(path(node), base(), go_on);
}

void MissedColony::store_snapshot(const std::string& node) {
  SnapshotCatalog catalog = this->catalog();
  colony::store_snapshot(path(node), catalog, go_on);
}

SnapshotCatalog MissedColony::catalog() const { return {std::make_unique<DirectoryStore>(folder_ / "store"), "shop"}; }

void MissedColony::a_is_left_alone() {
  Database db = open_for_fold(path("a"));
  WriteTransaction transaction(db);
  db.execute("UPDATE __colony_meta SET value = 'wal' WHERE key = 'capture'");
  for (const std::string& table : replicated_tables(db)) drop_guards(db, table);
  note_schema(db);
  transaction.commit();
}

void MissedColony::write(const std::string& sql) { run_plainly(path("a"), sql); }

void MissedColony::meddle(const std::string& sql) {
  write(sql);
  run_plainly(path("a"), "PRAGMA wal_checkpoint(TRUNCATE)");
}

void MissedColony::a_goes_on() {
  {
    Database db = open_for_fold(path("a"));
    WriteTransaction transaction(db);
    for (const std::string& table : replicated_tables(db)) create_guards(db, table);
    transaction.commit();
  }
  a_->restart();
}

std::string MissedColony::capture_missed(const std::string& meanwhile) {
  const std::size_t before = app_a_->outbox().size();
  const std::string scratch = folder_ / ("scratch" + std::to_string(++snapshots_));
  std::filesystem::copy_file(base(), scratch);
  {
    MissedChanges missed(path("a"), scratch, &a_->log(), go_on);
    missed.prepare();
    CaptureSince capture(path("a"));
    missed.find(capture.pin(), [] {});
    if (!meanwhile.empty()) write(meanwhile);
    missed.put([&](Database& db) { capture.capture_since(db); }, [] { return true; });
  }
  const std::vector<std::string> transactions = app_a_->outbox();
  std::string shown;
  for (std::size_t i = before; i < transactions.size(); ++i) {
    shown += (i > before ? "--\n" : "") + shown_changes(split_schema(transactions[i]).rows.bytes);
  }
  return shown;
}

std::string MissedColony::state(const std::string& node) {
  Database& db = app(node).db();
  std::string text = rows(db,
                          "(SELECT type, name, sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT LIKE '%colony%' "
                          "AND tbl_name NOT LIKE '%colony%' ORDER BY name)");
  for (const std::string& table : replicated_tables(db)) text += table + "\n" + rows(db, table);
  return text;
}

}  // namespace colony::unit
