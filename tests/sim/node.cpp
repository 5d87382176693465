#include "tests/sim/node.h"

#include <atomic>
#include <filesystem>

#include "replicator/apply/merge.h"
#include "replicator/compare/proof.h"
#include "replicator/fold/fold.h"
#include "replicator/membership/renaming.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"
#include "sqlite_ext/capture.h"

namespace colony::sim {
namespace {

// Nobody waits: there is only one thread, which also would have to let go.
std::unique_ptr<Database> open(const std::string& path) {
  auto db = std::make_unique<Database>(path, Database::Mode::kReadWrite);
  sqlite3_busy_timeout(db->handle(), 0);
  return db;
}

// Page by page.
void copy_database(const std::string& from, const std::string& to) {
  Database source(from, Database::Mode::kReadOnly), copy(to, Database::Mode::kReadWrite);
  sqlite3_backup* const backup = sqlite3_backup_init(copy.handle(), "main", source.handle(), "main");
  const int rc = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  if (rc != SQLITE_DONE) throw SqliteError(rc, "cannot copy " + from);
}

}  // namespace

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
  if (install_capture(app_->handle(), *SqliteHost::get(), spill()) != SQLITE_OK)
    throw Error("the capture cannot be installed");
  if (settings_.foreign_keys) app_->execute("PRAGMA foreign_keys = ON");
  if (settings_.recursive_triggers) app_->execute("PRAGMA recursive_triggers = ON");
  if (disk_) app_->execute("PRAGMA synchronous = " + settings_.synchronous);
}

// Makes the database a node's, as `colony init` does with a file.
void Node::found() {
  app_->execute(settings_.schema_sql);
  app_->execute("BEGIN");
  create_layout(*app_);
  const auto set = [&](const std::string& key, const std::string& value) {
    app_->execute("INSERT INTO __colony_meta(key, value) VALUES('" + key + "', " + value + ")");
  };
  set("format", std::to_string(kFileFormat));
  set("cluster", "'sim'");
  set("node", "'" + settings_.name + "'");
  set("incarnation", std::to_string(settings_.incarnation));
  set("capture", "'session'");
  for (const char* zero : {"position", "position_hash", "absorbed"}) set(zero, "0");
  choose_guard_kind(*app_, GuardKind::kIndex);
  if (settings_.conflicts_max > 0) set("conflicts_max", std::to_string(settings_.conflicts_max));
  Statement insert(*app_, "INSERT INTO __colony_tables(name) VALUES(?1)");
  for (const Table& table : read_schema(app_->handle()).tables) {
    insert.bind(1, table.name).run();
    create_guards(*app_, table.name);
  }
  app_->execute("COMMIT");
}

// As `colony run` does when there is no file yet.
void Node::join() {
  copy_database(settings_.base, settings_.path);
  Database db = open_for_fold(settings_.path);
  NodeFile file(db);
  WriteTransaction transaction(db);
  file.set_identity(settings_.name, Incarnation(settings_.incarnation), home());
  transaction.commit();
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
  crash();
  WriteTransaction transaction(*observer_);
  rename_node(*observer_, name, true);
  // The real one is random, and a seed must always lead to the same.
  observer_->execute("UPDATE __colony_meta SET value = " + std::to_string(incarnation) + " WHERE key = 'incarnation'");
  transaction.commit();
  settings_.name = name;
  settings_.incarnation = incarnation;
  link_.set_node(name);
  reopen_app();
}

void Node::merge() {
  crash();
  WriteTransaction transaction(*observer_);
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
    answer([&] { return ProofSnapshot(settings_.path, barrier.id, position).compute(); });
  };
  listeners.on_question = [this](const QuestionEntry& question, Sequence position) {
    if (!settings_.answers_questions) return;
    answer([&] { return ProofSnapshot(settings_.path, question.id, position).compute(question.ranges); });
  };
  reports_ = std::make_unique<ApplierReports>(*permit_, *status_, std::move(listeners));
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

void Node::write_behind_its_back(const std::string& sql) { open_for_fold(settings_.path).execute(sql); }

void Node::crash() {
  checker_.reset();
  publisher_.reset();
  applier_.reset();
  reports_.reset();
  permit_.reset();
  status_.reset();
}

}  // namespace colony::sim
