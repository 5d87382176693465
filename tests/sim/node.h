// One node of a simulated colony: a database in memory (SQLite's memdb VFS), the
// app's connection with the capture on it, and the replicator's real loops, driven
// step by step. A crash throws the loops away; the database stays.
//
// memdb knows no WAL: where a writer and a reader would pass each other there, one
// of them meets SQLITE_BUSY here. That is harsher than what Colony asks for, and
// so exercises what happens when a commit fails. A node may stand on a PowerDisk
// instead: there it is in WAL mode, and can lose power.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/apply/applier.h"
#include "replicator/apply/applier_reports.h"
#include "replicator/publish/publisher.h"
#include "replicator/repair/checker.h"
#include "replicator/store/begin_read.h"
#include "replicator/store/sqlite.h"
#include "replicator/wal/own_transaction.h"
#include "replicator/wal/wal_capture.h"
#include "tests/sim/memory_log.h"
#include "tests/sim/power_disk.h"
#include "tests/sim/schema.h"

namespace colony::sim {

struct NodeSettings {
  std::string name;
  std::string path;
  std::string schema_sql;
  std::uint64_t incarnation = 1;
  bool foreign_keys = false;
  bool recursive_triggers = false;
  std::int64_t conflicts_max = 0;  // 0: as by default
  // Beyond so many bytes what a loop or the capture keeps goes to a file.
  std::size_t heap_bytes_max = 200;
  // A snapshot's database, from which the node joins; founded anew without.
  std::string base = {};
  // The app's `PRAGMA synchronous`, on a disk of its own that can lose power; `path` is
  // then the disk's to say. Empty: no such disk.
  std::string synchronous = {};
  // It comes to a colony that others have begun, with a file that has not met them.
  bool comes_late = false;
  // In wal mode, on a disk of its own: the app has nothing of Colony's.
  bool captures_from_log = false;
  // As a sidecar does that knows of questions; one that does not answers barriers only.
  bool answers_questions = true;
};

inline constexpr std::chrono::seconds kCheckEvery{1000};

// What a statement of the app came to.
struct SqlResult {
  int code = 0;
  std::string message;
  std::int64_t last_insert_rowid = 0;
  std::int64_t changes = 0;
  std::int64_t total_changes = 0;

  bool operator==(const SqlResult&) const = default;
};

// Runs one or more statements and tells what the app sees of them.
SqlResult run_sql(sqlite3* db, const std::string& sql);

// A database name in memory that no other simulation of this process has.
std::string fresh_path(const std::string& node);

// Page by page.
void copy_database(const std::string& from, const std::string& to);

class Node {
 public:
  Node(NodeSettings settings, MemoryLog& log, Wire& wire);
  ~Node();

  const std::string& name() const { return settings_.name; }
  const std::string& path() const { return settings_.path; }
  LogLink& link() { return link_; }

  // The app.
  SqlResult sql(const std::string& sql);
  sqlite3* app() { return app_->handle(); }
  bool app_in_transaction() const { return app_->in_transaction(); }
  void reopen_app();  // what was open is rolled back, as when the app dies
  // Somebody who reads for long.
  void begin_reading();
  void end_reading();
  bool is_read() const { return reader_ && reader_->in_transaction(); }

  // All rows of a file that has met nobody become its first transaction, as `colony init
  // --merge` makes them: the loops are thrown away.
  void merge();
  bool comes_late() const { return settings_.comes_late; }
  bool has_met_colony() { return NodeFile(*observer_).has_met_colony(); }

  // Another life, as `colony init --keep-pending` gives the file: the loops are
  // thrown away. The app must not be in a transaction.
  void rename(const std::string& name, std::uint64_t incarnation);
  // Whether the log has told it that it is no member, or that its name is another's.
  bool is_shut_out();
  // By name, who is a member as far as its file knows.
  std::map<std::string, Incarnation> members();

  // What captures from the log in wal mode; null in session mode, and while the loops are away.
  bool captures_from_log() const { return settings_.captures_from_log; }
  WalCapture* capture() { return capture_.get(); }
  // Goes on at the file's mark if it does not follow the log. Whether it does; true in session mode.
  bool goes_on_at_mark();
  // As the capture's loop does at its turn; false if there was nothing.
  bool capture_committed(std::size_t frames_at_once);
  // Captures, and writes a mark in any case: whoever comes next goes on there.
  void mark_captured() { OwnTransaction(*capturing_, capture_.get()).commit(); }
  // Whether all that the app has committed is in the outbox.
  bool is_captured();
  // Whether a state of it can be read that is captured, and how.
  bool can_be_read() const { return !captures_from_log() || (capture_ && capture_->follows()); }
  BeginRead captured_reads();

  // The loops.
  void start(Applier::Options applier, ApplierReports::Listeners listeners, Publisher::Options publisher);
  void crash();
  // The machine's power is cut, and comes back: app and loops are gone, and of what was
  // not flushed, as `random` says, some or (null) everything. The loops stay away.
  void lose_power(Random* random);
  bool flushes_commits() const { return settings_.synchronous == "FULL"; }
  PowerDisk& disk() { return *disk_; }
  bool running() const { return applier_ != nullptr; }
  Applier& applier() { return *applier_; }
  Publisher& publisher() { return *publisher_; }
  Status& status() { return *status_; }
  // Whom the colony trusts as far as its file knows, and whether that is this node too.
  Trust trust() { return NodeFile(*observer_).trust(); }
  bool is_trusted() { return !trust().is_in_force() || trust().keys.contains(settings_.name); }
  // Its checker asks what is due then; false if nothing is. For the simulator a pass
  // takes kCheckEvery, and a share is a few rows.
  bool ask(std::chrono::steady_clock::time_point now);
  std::vector<Finding> findings() { return CheckRecords(*observer_).findings(); }
  std::vector<Drift> drift() { return CheckRecords(*observer_).drift_of_node(settings_.name); }
  bool answers_questions() const { return settings_.answers_questions; }
  void set_answers_questions(bool answers) { settings_.answers_questions = answers; }
  // What no capture sees.
  void write_behind_its_back(const std::string& sql);
  HelloEntry hello() const { return {"host", settings_.path, "1"}; }
  // Where what is too large for memory goes.
  SpillSettings spill() const;
  Home home() const { return {"host", settings_.path}; }

  // A connection of the judge's own, which also keeps the database alive.
  Database& observer() { return *observer_; }

 private:
  void open_app();
  void make_database();
  void answer(const std::function<ProofEntry()>& compute);
  BeginRead proof_reads();
  std::unique_ptr<WalCapture> new_capture();
  void capture_from_here(Database& db);
  void found();
  void join();

  NodeSettings settings_;
  LogLink link_;
  std::unique_ptr<PowerDisk> disk_;
  std::unique_ptr<Database> observer_, app_, reader_;
  std::unique_ptr<Status> status_;
  std::unique_ptr<PublishPermit> permit_;
  std::unique_ptr<ApplierReports> reports_;
  std::unique_ptr<WalCapture> capture_;
  std::unique_ptr<Database> capturing_;  // the connection of the capture's loop
  std::uint64_t mark_tried_ = 0;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Checker> checker_;
  std::uint64_t questions_ = 0;
};

}  // namespace colony::sim
