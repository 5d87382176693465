#include "tests/sim/node.h"

#include <atomic>
#include <filesystem>

#include "replicator/apply/merge.h"
#include "replicator/compare/proof.h"
#include "replicator/fold/fold.h"
#include "replicator/membership/renaming.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"
#include "replicator/wal/own_transaction.h"
#include "sqlite_ext/capture.h"

namespace colony::sim {
namespace {

// Nobody waits: there is only one thread, which also would have to let go.
std::unique_ptr<Database> open(const std::string& path) {
  auto db = std::make_unique<Database>(path, Database::Mode::kReadWrite);
  sqlite3_busy_timeout(db->handle(), 0);
  return db;
}

// What an app in wal mode has instead of colony.so, so that the triggers of the schema do the same.
void name_of_node(sqlite3_context* context, int, sqlite3_value**) {
  const auto& name = *static_cast<const std::string*>(sqlite3_user_data(context));
  sqlite3_result_text(context, name.c_str(), -1, SQLITE_TRANSIENT);
}

}  // namespace

void copy_database(const std::string& from, const std::string& to) {
  Database source(from, Database::Mode::kReadOnly), copy(to, Database::Mode::kReadWrite);
  sqlite3_backup* const backup = sqlite3_backup_init(copy.handle(), "main", source.handle(), "main");
  const int rc = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  if (rc != SQLITE_DONE) throw SqliteError(rc, "cannot copy " + from);
}

std::string fresh_path(const std::string& node) {
  static std::atomic<std::uint64_t> runs{0};
  return "file:/sim-" + std::to_string(++runs) + "-" + node + "?vfs=memdb";
}

SqlResult run_sql(sqlite3* db, const std::string& sql) {
  SqlResult result;
  char* message = nullptr;
  result.code = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message);
  if (message != nullptr) result.message = message;
  sqlite3_free(message);
  result.last_insert_rowid = sqlite3_last_insert_rowid(db);
  result.changes = sqlite3_changes64(db);
  result.total_changes = sqlite3_total_changes64(db);
  return result;
}

Node::Node(NodeSettings settings, MemoryLog& log, Wire& wire)
    : settings_(std::move(settings)), link_(log, wire, settings_.name) {
  if (!settings_.synchronous.empty()) {
    disk_ = std::make_unique<PowerDisk>();
    settings_.path = disk_->path(settings_.name + ".db");
  }
  make_database();
  if (!settings_.base.empty()) join();
  if (disk_) observer_->execute("PRAGMA journal_mode = WAL");
  open_app();
  if (settings_.base.empty()) found();
  if (disk_) disk_->flush_all();
}

void Node::make_database() {
  sqlite3* keeper = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
  const int rc = sqlite3_open_v2(settings_.path.c_str(), &keeper, flags, nullptr);
  if (rc != SQLITE_OK) throw SqliteError(rc, "cannot create " + settings_.path);
  observer_ = open(settings_.path);
  sqlite3_close(keeper);
}

Node::~Node() = default;

// A database in memory has no folder.
SpillSettings Node::spill() const {
  return {std::filesystem::temp_directory_path().string(), settings_.heap_bytes_max};
}

void Node::open_app() {
  app_ = open(settings_.path);
  if (captures_from_log()) {
    sqlite3_create_function(app_->handle(), "colony_node", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, &settings_.name,
                            name_of_node, nullptr, nullptr);
  } else if (install_capture(app_->handle(), *SqliteHost::get(), spill()) != SQLITE_OK) {
    throw Error("the capture cannot be installed");
  }
  if (settings_.foreign_keys) app_->execute("PRAGMA foreign_keys = ON");
  if (settings_.recursive_triggers) app_->execute("PRAGMA recursive_triggers = ON");
  if (disk_) app_->execute("PRAGMA synchronous = " + settings_.synchronous);
}

// Makes the database a node's, as `colony init` does with a file.
void Node::found() {
  app_->execute(settings_.schema_sql);
  Database db = open_for_fold(settings_.path);
  if (install_capture(db.handle(), *SqliteHost::get(), spill(), CaptureFor::kColony) != SQLITE_OK)
    throw Error("the capture cannot be installed");
  db.execute("BEGIN");
  create_layout(db);
  const auto set = [&](const std::string& key, const std::string& value) {
    db.execute("INSERT INTO __colony_meta(key, value) VALUES('" + key + "', " + value + ")");
  };
  set("format", std::to_string(kFileFormat));
  set("cluster", "'sim'");
  set("node", "'" + settings_.name + "'");
  set("incarnation", std::to_string(settings_.incarnation));
  for (const char* zero : {"position", "position_hash", "absorbed"}) set(zero, "0");
  if (captures_from_log()) {
    set_capture_mode(db, CaptureMode::kWal);
  } else {
    choose_guard_kind(db, GuardKind::kIndex);
  }
  if (settings_.conflicts_max > 0) set("conflicts_max", std::to_string(settings_.conflicts_max));
  Statement insert(db, "INSERT INTO __colony_tables(name) VALUES(?1)");
  for (const Table& table : read_schema(db.handle()).tables) {
    insert.bind(1, table.name).run();
    if (!captures_from_log()) create_guards(db, table.name);
  }
  db.execute("COMMIT");
  capture_from_here(db);
}

// What there is counts as captured.
void Node::capture_from_here(Database& db) {
  if (!captures_from_log()) return;
  WalCapture capture(settings_.path, spill());
  OwnTransaction(db, &capture, OwnTransaction::Begin::kHere).commit();
}

// As `colony run` does when there is no file yet.
void Node::join() {
  copy_database(settings_.base, settings_.path);
  Database db = open_for_fold(settings_.path);
  NodeFile file(db);
  const CaptureMode mode = captures_from_log() ? CaptureMode::kWal : CaptureMode::kSession;
  install_capture(db.handle(), *SqliteHost::get(), spill(), CaptureFor::kColony);
  WriteTransaction transaction(db);
  file.set_identity(settings_.name, Incarnation(settings_.incarnation), home());
  set_capture_mode(db, mode);
  transaction.commit();
  if (disk_) db.execute("PRAGMA journal_mode = WAL");
  capture_from_here(db);
}

SqlResult Node::sql(const std::string& sql) { return run_sql(app_->handle(), sql); }

void Node::reopen_app() {
  app_.reset();
  open_app();
}

void Node::begin_reading() {
  reader_ = open(settings_.path);
  reader_->execute("BEGIN; SELECT count(*) FROM sqlite_schema");
}

void Node::end_reading() { reader_.reset(); }

void Node::rename(const std::string& name, std::uint64_t incarnation) {
  if (captures_from_log()) OwnTransaction(*observer_, capture_.get()).commit();
  crash();
  const std::unique_ptr<WalCapture> capture = new_capture();
  OwnTransaction transaction(*observer_, capture.get());
  rename_node(*observer_, name, true);
  // The real one is random, and a seed must always lead to the same.
  observer_->execute("UPDATE __colony_meta SET value = " + std::to_string(incarnation) + " WHERE key = 'incarnation'");
  transaction.commit();
  settings_.name = name;
  settings_.incarnation = incarnation;
  link_.set_node(name);
  reopen_app();
}

// Of a command; at the file's mark.
std::unique_ptr<WalCapture> Node::new_capture() {
  if (!captures_from_log()) return nullptr;
  auto capture = std::make_unique<WalCapture>(path(), spill());
  capture->follow();
  return capture;
}

void Node::merge() {
  crash();
  const std::unique_ptr<WalCapture> capture =
      captures_from_log() ? std::make_unique<WalCapture>(path(), spill()) : nullptr;
  OwnTransaction transaction(*observer_, capture.get(), OwnTransaction::Begin::kHere);
  NodeFile file(*observer_);
  merge_own_rows(*observer_, file);
  transaction.commit();
}

bool Node::is_shut_out() {
  NodeFile file(*observer_);
  if (file.has_left(file.identity().incarnation)) return true;
  const auto known = members();
  const auto self = known.find(settings_.name);
  return self != known.end() && self->second != file.identity().incarnation;
}

std::map<std::string, Incarnation> Node::members() {
  NodeFile file(*observer_);
  std::map<std::string, Incarnation> found;
  for (const auto& [name, origin] : file.origins()) found[name] = origin.incarnation;
  return found;
}

void Node::start(Applier::Options applier, ApplierReports::Listeners listeners, Publisher::Options publisher) {
  status_ = std::make_unique<Status>();
  permit_ = std::make_unique<PublishPermit>();
  applier.home = home();
  applier.asks_for_base |= settings_.comes_late;
  applier.spill = spill();
  applier.go_on_waiting = [](int) { return false; };
  if (publisher.key) applier.key = publisher.key->public_key();
  listeners.on_barrier = [this, told = listeners.on_barrier](const BarrierEntry& barrier, Sequence position) {
    if (told) told(barrier, position);
    answer([&] { return ProofSnapshot(settings_.path, barrier.id, position, proof_reads()).compute(); });
  };
  listeners.on_question = [this](const QuestionEntry& question, Sequence position) {
    if (!settings_.answers_questions) return;
    answer(
        [&] { return ProofSnapshot(settings_.path, question.id, position, proof_reads()).compute(question.ranges); });
  };
  reports_ = std::make_unique<ApplierReports>(*permit_, *status_, std::move(listeners));
  if (captures_from_log()) {
    capture_ = std::make_unique<WalCapture>(settings_.path, spill());
    capturing_ = std::make_unique<Database>(open_for_fold(settings_.path));
    capturing_->execute("PRAGMA wal_autocheckpoint = 0");
    capturing_->wait_for_locks([](int) { return false; }, 1);
    mark_tried_ = 0;
  }
  applier.capture = capture_.get();
  applier_ = std::make_unique<Applier>(settings_.path, link_, *reports_, std::move(applier));
  publisher.hello = hello();
  publisher_ = std::make_unique<Publisher>(settings_.path, link_, *permit_, std::move(publisher));
}

void Node::lose_power(Random* random) {
  if (random != nullptr) {
    disk_->cut_off(*random);
  } else {
    disk_->cut_off();
  }
  crash();
  reader_.reset();
  app_.reset();
  observer_.reset();
  disk_->switch_on();
  observer_ = open(settings_.path);
  open_app();
}

// As a proof worker whose thread is always done at once.
void Node::answer(const std::function<ProofEntry()>& compute) {
  try {
    publisher_->enqueue(compute());
  } catch (const SqliteError& error) {
    if (error.code() != SQLITE_BUSY && error.code() != SQLITE_LOCKED) throw;
  }
}

bool Node::ask(std::chrono::steady_clock::time_point now) {
  constexpr std::uint64_t kShareBytes = 150;
  if (!checker_) {
    // The real ids are random, and a seed must always lead to the same.
    const auto id = [this] { return settings_.incarnation << 32 | ++questions_; };
    checker_ = std::make_unique<Checker>(settings_.path, CheckSettings{kCheckEvery, kShareBytes, id}, now);
  }
  auto question = checker_->next(now, std::chrono::nanoseconds(now.time_since_epoch()).count());
  if (question) publisher_->enqueue(std::move(*question));
  return question.has_value();
}

// In wal mode as if Colony had done it.
void Node::write_behind_its_back(const std::string& sql) {
  Database db = open_for_fold(settings_.path);
  OwnTransaction transaction(db, capture_.get());
  db.execute(sql);
  transaction.commit();
}

BeginRead Node::proof_reads() {
  if (!captures_from_log()) return {};
  return [this](Database& reader) { applier_->begin_captured_read(reader); };
}

BeginRead Node::captured_reads() {
  return colony::captured_reads(settings_.path, capture_.get(), [] { return false; });
}

bool Node::goes_on_at_mark() {
  if (!captures_from_log() || capture_->follows()) return true;
  try {
    capture_->follow(mark_tried_);
    mark_tried_ = capture_->mark_number();
  } catch (const WalLost&) {
  }
  return capture_->follows();
}

bool Node::capture_committed(std::size_t frames_at_once) {
  if (!capture_ || !capture_->follows() || !capture_->read_ahead(frames_at_once)) return false;
  if (!capture_->has_work() && !capture_->should_mark()) {
    capture_->move_pin();
    return false;
  }
  OwnTransaction(*capturing_, capture_.get()).commit();
  return true;
}

bool Node::is_captured() {
  if (!captures_from_log()) return true;
  return capture_ && capture_->follows() && capture_->read_ahead(~std::size_t{0}) && !capture_->has_work();
}

void Node::crash() {
  checker_.reset();
  publisher_.reset();
  applier_.reset();
  reports_.reset();
  permit_.reset();
  status_.reset();
  capturing_.reset();
  capture_.reset();
}

}  // namespace colony::sim
