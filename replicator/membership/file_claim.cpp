#include "replicator/membership/file_claim.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "replicator/membership/enrollment.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

std::string put_into_wal_mode(Database& db) {
  try {
    return db.query_text("PRAGMA journal_mode = WAL");
  } catch (const SqliteError& error) {
    if (error.code() != SQLITE_BUSY && error.code() != SQLITE_LOCKED) throw;
    return "locked";
  }
}

// Programs may have taken it out of that mode. Where they are captured from the log, what they have
// written since is found by comparison.
void ensure_write_ahead_log(Database& db, const std::string& path) {
  const std::string mode = db.query_text("PRAGMA journal_mode");
  if (mode == "wal") return;
  if (!has_layout(db) || capture_mode(db) != CaptureMode::kWal) {
    throw Error(path + " is in journal mode " + mode + ", and Colony needs WAL: run colony init again");
  }
  if (put_into_wal_mode(db) != "wal") {
    throw Error(path + " is in journal mode " + mode +
                ", and Colony needs WAL: close the programs that use it, or let them use WAL, and try again");
  }
  spdlog::info("put into WAL mode again former_mode={}", mode);
}

// Whatever stands there now may be another file.
bool is_file_of(const std::string& path, Incarnation incarnation) {
  if (access(path.c_str(), R_OK) != 0) return false;
  try {
    Database db = open_database(path, Database::Mode::kReadOnly);
    return has_layout(db) && NodeFile(db).identity().incarnation == incarnation;
  } catch (const SqliteError&) {
    return false;
  }
}

}  // namespace

Identity claim_file(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadWrite);
  ensure_write_ahead_log(db, path);
  upgrade_layout(db);
  NodeFile file(db);
  const Identity& identity = file.identity();
  if (identity.node.empty()) {
    throw Error(path + " is a snapshot that was never made a node's: remove it, and join with --cluster and --node");
  }
  const Home here = home_of(path);
  const Home home = file.home();
  if (home == here) return identity;
  if (home.host == here.host && is_file_of(home.path, identity.incarnation)) {
    throw Error(path + " is a copy of node " + identity.node + "'s file " + home.path +
                ": give it a name of its own with colony init " + path + " --cluster " + identity.cluster +
                " --node NEW");
  }
  spdlog::info("moved from={}:{} to={}:{}", home.host, home.path, here.host, here.path);
  WriteTransaction transaction(db);
  file.set_home(here);
  transaction.commit();
  return identity;
}

bool has_met_log(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadOnly);
  return !NodeFile(db).epoch().empty();
}

}  // namespace colony
