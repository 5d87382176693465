#include "sqlite_ext/connection_capture.h"

#include <new>
#include <utility>

#include "sqlite_ext/capture.h"
#include "sqlite_ext/schema_statement.h"

namespace colony {
namespace {

constexpr const char* kHookTaken =
    "colony: something else on this connection uses the preupdate hook (a session, perhaps), and there is only one: "
    "changes cannot be captured";

bool is_virtual_copy(const char* schema) {
  // VACUUM copies into an attached database of this name.
  return std::string_view(schema) == "vacuum_db" || std::string_view(schema) == "temp";
}

class Raised {
 public:
  explicit Raised(bool& flag) : flag_(flag), before_(std::exchange(flag, true)) {}
  ~Raised() { flag_ = before_; }
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;

 private:
  bool& flag_;
  bool before_;
};

}  // namespace

ConnectionCapture::ConnectionCapture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill)
    : db_(db), host_(host), spill_(spill) {
  context_.capture = this;
}

void ConnectionCapture::start() {
  started_ = true;
  keep_trace();
  discover("main");
}

SchemaCapture& ConnectionCapture::connect(const char* schema) {
  if (!hook_is_ours_) {
    const bool taken = !take_hook();
    if (taken || std::exchange(hook_was_taken_, false)) {
      host_.preupdate_hook(db_, nullptr, nullptr);
      hook_was_taken_ = enlisting_;  // nobody hears of it: the app's own statement has to tell
      throw RecordError(kHookTaken);
    }
    hook_is_ours_ = true;
  }
  if (SchemaCapture* const known = find(schema)) {
    known->schema_changed();
    return *known;
  }
  SchemaCapture& made = *schemas_.emplace_back(std::make_unique<SchemaCapture>(db_, schema, host_, spill_));
  if (allows_schema_changes_) made.allow_schema_changes();
  return made;
}

void ConnectionCapture::forget(SchemaCapture& capture) {
  std::erase_if(schemas_, [&](const auto& known) { return known.get() == &capture; });
}

void ConnectionCapture::begin(SchemaCapture& capture) {
  if (in_transaction_ ? !keep_hook() : !take_hook()) throw RecordError(kHookTaken);
  in_transaction_ = true;
  capture.begin(started_ && keep_trace());
}

void ConnectionCapture::end() {
  in_transaction_ = false;
  failure_.clear();
}

void ConnectionCapture::rolled_back(SchemaCapture& capture) {
  if (capture.rolled_back()) watch_next_commit();
  end();
}

void ConnectionCapture::sync(SchemaCapture& capture) {
  check();
  const Raised raised(enlisting_);  // its own statements are traced as well
  capture.sync(started_ && keep_trace());
}

void ConnectionCapture::check() {
  if (!failure_.empty()) throw RecordError(std::exchange(failure_, {}));
  if (!keep_hook()) throw RecordError(kHookTaken);
}

void ConnectionCapture::allow_schema_changes() {
  allows_schema_changes_ = true;
  for (const auto& capture : schemas_) capture->allow_schema_changes();
}

// False if somebody else had the hook until now.
bool ConnectionCapture::take_hook() {
  void* const before = host_.preupdate_hook(db_, &ConnectionCapture::on_preupdate, &context_);
  return before == nullptr || before == &context_;
}

// False if it was not ours all the time.
bool ConnectionCapture::keep_hook() {
  return host_.preupdate_hook(db_, &ConnectionCapture::on_preupdate, &context_) == &context_;
}

// Where the host does not show whose trace callback it is, none is replaced. False if it
// was not this one all the time.
bool ConnectionCapture::keep_trace() {
  const std::optional<TraceCallback> now = TraceCallback::of(db_, host_);
  if (!now) return false;
  if (now->function == &on_trace && now->context == this) return true;
  constexpr unsigned kKnown = SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE | SQLITE_TRACE_ROW | SQLITE_TRACE_CLOSE;
  if ((now->mask & ~kKnown) != 0) return false;  // the older sqlite3_trace(), whose callback is another one
  others_trace_ = *now;
  sqlite3_trace_v2(db_, now->mask | SQLITE_TRACE_STMT, &on_trace, this);
  return false;
}

SchemaCapture* ConnectionCapture::find(const char* schema) {
  for (const auto& known : schemas_) {
    if (known->schema() == schema) return known.get();
  }
  return nullptr;
}

std::vector<std::string> ConnectionCapture::schema_names() {
  std::vector<std::string> names;
  sqlite3_stmt* list = nullptr;
  if (sqlite3_prepare_v2(db_, "PRAGMA database_list", -1, &list, nullptr) != SQLITE_OK) return names;
  while (sqlite3_step(list) == SQLITE_ROW) {
    const auto* name = reinterpret_cast<const char*>(sqlite3_column_text(list, 1));
    if (name != nullptr && !is_virtual_copy(name)) names.emplace_back(name);
  }
  sqlite3_finalize(list);
  return names;
}

// A statement that makes SQLite connect the virtual table of a schema when it is
// prepared, and enlist it in the transaction when it runs, without changing anything.
int ConnectionCapture::run_enlistment(const std::string& schema, bool only_prepare) {
  const Raised raised(enlisting_);
  const KeepCounters keep(db_, host_);
  const std::string sql = "INSERT INTO " + quoted(schema) + "." + kCaptureTable + " SELECT 1 WHERE 0";
  sqlite3_stmt* statement = nullptr;
  int rc = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
  if (rc == SQLITE_OK && !only_prepare) rc = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// Null if it belongs to no colony.
SchemaCapture* ConnectionCapture::discover(const std::string& schema) {
  run_enlistment(schema, true);
  return find(schema.c_str());
}

void ConnectionCapture::discover_all() {
  for (const std::string& name : schema_names()) {
    if (find(name.c_str()) == nullptr) discover(name);
  }
}

// No longer, once it was detached from it or from this connection, and not while the file is
// in wal mode: then all that is committed is found in the write-ahead log.
bool ConnectionCapture::is_of_colony(const SchemaCapture& capture) {
  return sqlite3_table_column_metadata(db_, capture.schema().c_str(), kCaptureTable, nullptr, nullptr, nullptr, nullptr,
                                       nullptr, nullptr) == SQLITE_OK;
}

void ConnectionCapture::enlist(SchemaCapture& capture) {
  if (run_enlistment(capture.schema(), false) == SQLITE_OK && capture.takes_part()) return;
  if (is_of_colony(capture)) watch_next_commit();
}

// What was not brought before its capture until then is refused.
void ConnectionCapture::watch_next_commit() {
  sqlite3_commit_hook(db_, &on_commit, this);
  commit_hook_is_ours_ = true;
}

int ConnectionCapture::on_commit(void* context) {
  auto* const self = static_cast<ConnectionCapture*>(context);
  sqlite3_commit_hook(self->db_, nullptr, nullptr);
  self->commit_hook_is_ours_ = false;
  if (!self->sync_another_run()) return 1;
  for (const auto& capture : self->schemas_) {
    if (capture->awaits_another_run() || capture->takes_part() ||
        sqlite3_txn_state(self->db_, capture->schema().c_str()) != SQLITE_TXN_WRITE || !self->is_of_colony(*capture))
      continue;
    sqlite3_log(SQLITE_CONSTRAINT_COMMITHOOK,
                "colony: a change of %s could not be captured, and its commit is refused: try again",
                capture->schema().c_str());
    return 1;
  }
  return 0;
}

// A commit hook is not meant to run SQL. Here it is called on behalf of a statement that is
// its own transaction and has written, right after the tables that xSync is called for: SQLite
// is in the same state then. False if it failed.
bool ConnectionCapture::sync_another_run() noexcept {
  const Raised raised(enlisting_);
  for (const auto& capture : schemas_) {
    if (!capture->awaits_another_run()) continue;
    if (!is_of_colony(*capture)) {  // which went over to wal mode between the two runs
      capture->clear();
      continue;
    }
    try {
      if (!keep_hook()) throw RecordError(kHookTaken);
      capture->sync_another_run();
      // The table need not be connected any more, and who closes the connection would not be told.
      capture->release_statements();
    } catch (const std::exception& error) {
      sqlite3_log(SQLITE_CONSTRAINT_COMMITHOOK, "%s", error.what());
      return false;
    }
  }
  return true;
}

bool ConnectionCapture::fires_triggers() {
  int fires = 1;
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &fires);
  return fires != 0;
}

void ConnectionCapture::before_guarded_write() noexcept {
  if (enlisting_ || !started_) return;
  try {
    if (!fires_triggers()) discover_all();  // of a file that has come to be guarded just now
    for (const auto& capture : schemas_) {
      if (capture->takes_part() || sqlite3_txn_state(db_, capture->schema().c_str()) != SQLITE_TXN_WRITE) continue;
      enlist(*capture);
    }
  } catch (...) {
    watch_next_commit();
  }
}

void ConnectionCapture::before_row(const char* schema, int op, const char* table, sqlite3_int64 old_rowid) {
  SchemaCapture* const capture = find(schema);
  if (capture == nullptr) return;
  if (std::string_view(table) == "sqlite_master") return before_schema_edit(*capture);
  if (!capture->takes_part()) {
    if (enlisting_ || !started_ || !is_of_colony(*capture) || !capture->concerns(table)) return;
    enlist(*capture);
  }
  capture->record(op, table, old_rowid);
}

// Rows of sqlite_schema itself are written: with PRAGMA writable_schema. What statements do to
// it is not seen here.
void ConnectionCapture::before_schema_edit(SchemaCapture& capture) {
  if (enlisting_ || !started_ || !is_of_colony(capture)) return;
  const Raised raised(enlisting_);
  if (!capture.takes_part()) enlist(capture);
  if (capture.takes_part()) capture.before_schema_change("");
}

void ConnectionCapture::on_preupdate(void* context, sqlite3*, int op, const char* schema, const char* table,
                                     sqlite3_int64 old_rowid, sqlite3_int64) {
  auto* const self = static_cast<HookContext*>(context)->capture;
  try {
    self->before_row(schema, op, table, old_rowid);
  } catch (const std::bad_alloc&) {
    self->failure_ = "colony: out of memory while recording a transaction";
  } catch (const std::exception& error) {
    self->failure_ = std::string("colony: ") + error.what();
  }
  if (!self->failure_.empty() && !self->in_transaction_) self->watch_next_commit();
}

int ConnectionCapture::on_trace(unsigned event, void* context, void* p, void* x) {
  auto* const self = static_cast<ConnectionCapture*>(context);
  const TraceCallback other = self->others_trace_;  // which may replace this one
  if (event == SQLITE_TRACE_STMT && !self->enlisting_) {
    try {
      self->before_statement(static_cast<sqlite3_stmt*>(p), static_cast<const char*>(x));
    } catch (const std::bad_alloc&) {
      self->failure_ = "colony: out of memory while recording a transaction";
    } catch (const std::exception& error) {
      self->failure_ = error.what();
    }
    if (!self->failure_.empty() && !self->in_transaction_) self->watch_next_commit();
  }
  return other.function != nullptr && (other.mask & event) != 0 ? other.function(event, other.context, p, x) : 0;
}

// Programs of triggers come by as well, with a text of their own.
void ConnectionCapture::before_statement(sqlite3_stmt* statement, const char* text) {
  if (sqlite3_stmt_readonly(statement) != 0 || text == nullptr || text != sqlite3_sql(statement)) return;
  if (commit_hook_is_ours_ && sqlite3_get_autocommit(db_) != 0) {  // what it was for was rolled back
    sqlite3_commit_hook(db_, nullptr, nullptr);
    commit_hook_is_ours_ = false;
    failure_.clear();
  }
  const std::optional<SchemaStatement> change = schema_statement(text);
  if (change) {
    before_schema_change(change->schema, text);
    return;
  }
  const Raised raised(enlisting_);
  for (const auto& capture : schemas_) capture->before_statement();
  // Else triggers connect the virtual table of a file that was attached or has become a colony's.
  if (!fires_triggers()) discover_all();
}

void ConnectionCapture::before_schema_change(const std::string& schema, const char* text) {
  const Raised raised(enlisting_);
  for (const std::string& name : schema_names()) {
    if (!schema.empty() && sqlite3_stricmp(schema.c_str(), name.c_str()) != 0) continue;
    SchemaCapture* capture = find(name.c_str());
    if (capture == nullptr) capture = discover(name);
    if (capture == nullptr) continue;
    if (!capture->takes_part()) enlist(*capture);
    if (capture->takes_part()) capture->before_schema_change(text);
  }
}

}  // namespace colony
