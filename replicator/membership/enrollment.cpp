#include "replicator/membership/enrollment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <sstream>

#include "replicator/apply/merge.h"
#include "replicator/fold/fold.h"
#include "replicator/membership/capture_switch.h"
#include "replicator/membership/renaming.h"
#include "replicator/membership/table_choice.h"
#include "replicator/membership/table_list.h"
#include "replicator/status/status.h"
#include "replicator/store/file_users.h"
#include "replicator/wal/own_transaction.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr int kLockWaitMs = 10'000;

void check_name(const std::string& what, const std::string& name) {
  if (is_valid_name(name)) return;
  throw Error("'" + name + "' cannot be the name of a " + what + ": use 1 to 32 of A-Z a-z 0-9 _ and -");
}

void set_meta(Database& db, const std::string& key, const std::string& value) {
  Statement(db, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES(?1, ?2)").bind(1, key).bind(2, value).run();
}

void set_meta(Database& db, const std::string& key, std::int64_t value) {
  Statement(db, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES(?1, ?2)").bind(1, key).bind(2, value).run();
}

std::string meta(Database& db, const std::string& key) {
  Statement select(db, "SELECT value FROM __colony_meta WHERE key = ?1");
  select.bind(1, key);
  return select.step() ? std::string(select.text(0)) : std::string();
}

std::string set_wal(Database& db) {
  const std::string before = db.query_text("PRAGMA journal_mode");
  if (before == "wal") return before;
  std::string now;
  try {
    now = db.query_text("PRAGMA journal_mode = WAL");
  } catch (const SqliteError& error) {
    if (error.code() != SQLITE_BUSY && error.code() != SQLITE_LOCKED) throw;
  }
  if (now != "wal" && now != "memory") {
    throw Error(db.path() +
                " cannot be put into WAL mode, which Colony needs: close the programs that use it, and try again");
  }
  return before;
}

// The one from before colony init; gives the one that it is in then.
std::string restore_journal_mode(Database& db) {
  const std::string before = meta(db, "journal_mode_before");
  const std::string now = db.query_text("PRAGMA journal_mode");
  if (before.empty() || before == now) return now;
  try {
    return db.query_text("PRAGMA journal_mode = " + before);
  } catch (const SqliteError&) {
    return now;  // somebody has the file open: it stays in WAL mode
  }
}

// Once a node has left, its file can only begin another life.
bool changes_identity(NodeFile& file, const EnrollRequest& request) {
  return file.identity().node != request.node || file.has_left(file.identity().incarnation);
}

EnrollReport::Outcome settle_identity(Database& db, const EnrollRequest& request, const std::string& journal_mode,
                                      std::string& former_node) {
  const Home here = home_of(request.path);
  if (!has_layout(db)) {
    create_layout(db, request.capture.value_or(CaptureMode::kSession));
    COLONY_STEP("init.layout_made");
    set_meta(db, "format", kFileFormat);
    set_meta(db, "cluster", request.cluster);
    set_meta(db, "node", request.node);
    set_meta(db, "incarnation", static_cast<std::int64_t>(new_incarnation().value()));
    set_meta(db, "position", 0);
    set_meta(db, "position_hash", 0);
    set_meta(db, "absorbed", 0);
    set_meta(db, "journal_mode_before", journal_mode);
    NodeFile(db).set_home(here);
    return EnrollReport::Outcome::kNew;
  }
  NodeFile file(db);
  const Identity self = file.identity();
  if (self.cluster != request.cluster) {
    throw Error(request.path + " belongs to colony " + self.cluster + " as node " + self.node +
                ": to move it to another colony, run colony detach first");
  }
  if (!changes_identity(file, request)) {
    create_layout(db);
    return EnrollReport::Outcome::kUnchangedIdentity;
  }
  const bool has_left = file.has_left(self.incarnation);
  if (file.home() == here && !request.keep_pending && !has_left) {
    throw Error(
        request.path + " is node " + self.node + " of colony " + self.cluster +
        " already; only a copy of it, at another place, can be given another name, or a backup that was put back (see "
        "--keep-pending)");
  }
  former_node = self.node;
  rename_node(db, request.node, request.keep_pending);
  COLONY_STEP("init.renamed");
  NodeFile(db).set_home(here);
  return has_left ? EnrollReport::Outcome::kRejoined : EnrollReport::Outcome::kCopyRenamed;
}

// Those that any program can write as yet, and none without colony.so then.
std::vector<std::string> newly_guarded(Database& db, const TableChoice& choice, CaptureMode mode) {
  std::vector<std::string> tables;
  if (mode == CaptureMode::kWal) return tables;
  const std::set<std::string> guarded = has_layout(db) ? guarded_tables(db) : std::set<std::string>();
  for (const ChosenTable& table : choice.replicated) {
    if (!guarded.contains(table.name)) tables.push_back(table.name);
  }
  return tables;
}

// What a person was not told of is not done.
void check_announced(const std::vector<std::string>& guarded, const std::vector<std::string>& announced) {
  for (const std::string& table : guarded) {
    if (std::find(announced.begin(), announced.end(), table) != announced.end()) continue;
    throw Error("table " + table + " was made or changed just now: run colony init again");
  }
}

constexpr const char* kPatterns = "table_patterns";  // one a line

std::vector<std::string> patterns_of(Database& db) {
  std::vector<std::string> patterns;
  std::istringstream lines(meta(db, kPatterns));
  for (std::string line; std::getline(lines, line);) patterns.push_back(line);
  return patterns;
}

std::string joined_patterns(const std::vector<std::string>& tables) {
  std::string all;
  for (const std::string& word : tables) {
    if (is_pattern(word)) all += word + "\n";
  }
  return all;
}

std::optional<std::vector<std::string>> choice_of(Database& db, const EnrollRequest& request) {
  if (request.tables || !has_layout(db)) return request.tables;
  if (meta(db, "tables") != "chosen") return std::nullopt;
  // Who was renamed is still chosen, and who was dropped is not.
  std::vector<std::string> tables = patterns_of(db);
  const std::map<std::string, std::string> gone = gone_tables(db);
  for (const std::string& table : replicated_tables(db)) {
    const auto renamed = gone.find(table);
    const std::string& name = renamed == gone.end() ? table : renamed->second;
    if (!name.empty()) tables.push_back(name);
  }
  return tables;
}

CaptureMode mode_before(Database& db) { return has_layout(db) ? capture_mode(db) : CaptureMode::kSession; }

// What would be refused is refused before the file is put into WAL mode.
void check_request(Database& db, const EnrollRequest& request, CaptureMode mode) {
  if (mode == CaptureMode::kWal && request.guard) {
    throw Error("in wal mode nothing guards the tables: leave out --guard, which is for --capture session");
  }
  if (!has_layout(db)) return;
  NodeFile file(db);
  if (request.merge) check_mergeable(file, request.path);
  if ((changes_identity(file, request) || request.merge) && Status::of(request.path)) {
    throw Error("a sidecar runs on " + request.path + ": stop it before the file is " +
                (request.merge ? "merged" : "renamed"));
  }
}

void report_tables(const TableChoice& choice, EnrollReport& report) {
  for (const ChosenTable& table : choice.replicated) {
    report.replicated.push_back(table.name);
    if (table.self_numbered) report.self_numbered.push_back(table.name);
    if (table.allows_null && report.capture == CaptureMode::kWal) report.null_keys.push_back(table.name);
  }
  for (const auto& [table, why] : choice.left_out) report.left_out.push_back({table, why});
}

struct CaptureInInit {
  std::unique_ptr<WalCapture> capture;  // null if the file was and stays in session mode
  OwnTransaction::Begin begin = OwnTransaction::Begin::kGoesOn;
  bool may_have_missed = false;  // what programs have committed
};

// What programs have committed to a file in wal mode is captured first, unless it is to be no
// transaction: of a file that was in session mode or has met nobody. Of a copy the log tells
// nothing, and who has left cannot find out any more: then the tables are compared.
CaptureInInit capture_in_init(Database& db, const EnrollRequest& request, CaptureMode former, CaptureMode mode) {
  bool may_have_missed = false;
  if (former == CaptureMode::kWal && NodeFile(db).has_met_colony()) {
    NodeFile file(db);
    if (!changes_identity(file, request)) return {capture_of(request.path)};
    try {
      return {capture_of(request.path, std::chrono::milliseconds(0))};
    } catch (const NotCaptured&) {
      may_have_missed = true;
    }
  }
  if (mode != CaptureMode::kWal) return {nullptr, OwnTransaction::Begin::kGoesOn, may_have_missed};
  return {std::make_unique<WalCapture>(request.path), OwnTransaction::Begin::kHere, may_have_missed};
}

// Of a file that SQLite finds locked, once this process has it no longer open.
Error locked(const std::string& path) {
  const std::optional<FileUser> holder = exclusive_user_of(path);
  if (!holder) return Error(path + " is locked by another program; try again later");
  return Error(path + " is locked by " + to_string(*holder) +
               ", in locking_mode=EXCLUSIVE or a transaction that goes on: Colony works beside the programs, so let it "
               "use locking_mode=NORMAL, or wait until it has finished");
}

}  // namespace

Incarnation new_incarnation() {
  std::random_device random;
  std::uint64_t value = 0;
  while (value == 0) value = (static_cast<std::uint64_t>(random()) << 32 | random()) >> 1;  // fits SQLite's integers
  return Incarnation(value);
}

Home home_of(const std::string& path) {
  char* const resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) throw Error(path + ": " + std::strerror(errno));
  Home home{"", resolved};
  std::free(resolved);
  char host[HOST_NAME_MAX + 1] = {};
  gethostname(host, HOST_NAME_MAX);
  home.host = host;
  return home;
}

Database open_database(const std::string& path, Database::Mode mode) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) throw Error(path + ": " + std::strerror(errno));
  if (!S_ISREG(file.st_mode)) throw Error(path + " is not a file");
  if (mode == Database::Mode::kReadWrite) {
    const std::string folder = home_of(path).path.substr(0, home_of(path).path.find_last_of('/') + 1);
    if (access(path.c_str(), W_OK) != 0) throw Error(path + " cannot be written: " + std::strerror(errno));
    if (access(folder.c_str(), W_OK) != 0) {
      throw Error("the directory " + folder + " cannot be written (" + std::strerror(errno) +
                  "): SQLite keeps its write-ahead log there");
    }
  }
  try {
    Database db(path, mode);
    sqlite3_busy_timeout(db.handle(), kLockWaitMs);
    db.query_integer("SELECT count(*) FROM sqlite_schema");
    return db;
  } catch (const SqliteError& error) {
    if (error.code() == SQLITE_NOTADB) {
      throw Error(path +
                  " is not an SQLite database, or SQLCipher or another codec encrypts it, which Colony cannot read: it "
                  "does not begin with 'SQLite format 3'");
    }
    if (error.code() == SQLITE_BUSY) throw locked(path);
    throw;
  }
}

EnrollReport enroll(const EnrollRequest& request) {
  check_name("colony", request.cluster);
  check_name("node", request.node);
  { const Database check = open_database(request.path, Database::Mode::kReadWrite); }
  Database db = open_for_fold(request.path);
  db.wait_for_locks([](int waited_ms) { return waited_ms < kLockWaitMs; });
  install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
  db.execute("PRAGMA synchronous = FULL");  // who is told that it is done can rely on it
  EnrollReport report;

  const CaptureMode former_mode = mode_before(db), mode = request.capture.value_or(former_mode);
  report.capture = mode;
  report.capture_changed = has_layout(db) && mode != former_mode;
  const std::vector<std::string> announced = newly_guarded(db, choose_tables(db, choice_of(db, request), mode), mode);
  check_request(db, request, mode);
  std::unique_ptr<Status> alone;
  if (report.capture_changed) alone = alone_for_switch(request.path, mode);
  std::string former_node;
  if (has_layout(db)) {
    report.pending = NodeFile(db).pending_transactions();
    WriteTransaction rehearsal(db);
    settle_identity(db, request, "", former_node);
  }
  request.before_change(announced);
  const std::string journal_mode = set_wal(db);
  COLONY_STEP("init.write_ahead_log_set");
  if (has_layout(db)) upgrade_layout(db);

  CaptureInInit capture = capture_in_init(db, request, former_mode, mode);
  OwnTransaction transaction(db, capture.capture.get(), capture.begin);
  if (mode_before(db) != former_mode) {
    throw Error(request.path + " has come into another capture mode just now: run colony init again");
  }
  COLONY_STEP("init.rest_captured");
  // Once more: until here others could make tables, and change them.
  const TableChoice choice = choose_tables(db, choice_of(db, request), mode);
  check_announced(newly_guarded(db, choice, mode), announced);
  report.outcome = settle_identity(db, request, journal_mode, report.former_node);
  COLONY_STEP("init.identity_settled");
  const std::vector<ChangedTable> broken = find_schema_changes(db).broken;
  if (request.tables) {
    set_meta(db, "tables", "chosen");
    set_meta(db, kPatterns, joined_patterns(*request.tables));
  }
  if (request.guard || !chosen_guard_kind(db)) choose_guard_kind(db, request.guard.value_or(GuardKind::kIndex));
  switch_capture(db, mode);
  COLONY_STEP("init.capture_switched");
  report.changes = write_table_list(db, choice, broken);
  if (capture.may_have_missed) {
    for (const ChosenTable& table : choice.replicated) {
      note_unchecked(db, table.name, "may have rows that programs have committed and nobody has captured");
    }
  }
  report.unchecked = db.query_integer("SELECT count(*) FROM __colony_unchecked");
  COLONY_STEP("init.guards_made");
  if (request.merge) {
    NodeFile file(db);
    report.merged_rows = merge_own_rows(db, file);
  }
  transaction.commit(OwnTransaction::Tables::kMayBeOthers);
  COLONY_STEP("init.committed");
  report_tables(choice, report);
  return report;
}

DetachReport detach(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadWrite);
  if (!has_layout(db)) throw Error(path + " does not belong to a colony: there is nothing to detach");
  if (const auto sidecar = Status::of(path)) {
    throw Error("a sidecar runs on " + path + " (process " + std::to_string(sidecar->pid) + "): stop it first");
  }
  install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
  DetachReport report;
  // First: whoever is killed after it finds a colony's file still, and can do it again.
  report.journal_mode = restore_journal_mode(db);
  COLONY_STEP("detach.journal_mode_set");
  {
    WriteTransaction transaction(db);
    NodeFile file(db);
    report.node = file.identity().node;
    report.cluster = file.identity().cluster;
    report.unsent_transactions = file.pending_transactions();
    const auto origins = file.origins();
    const auto self = origins.find(report.node);
    report.is_member = self != origins.end() && self->second.incarnation == file.identity().incarnation;
    drop_layout(db);
    COLONY_STEP("detach.layout_dropped");
    transaction.commit();
    COLONY_STEP("detach.committed");
  }
  return report;
}

}  // namespace colony
