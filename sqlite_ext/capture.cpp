#include "sqlite_ext/capture.h"

#include <algorithm>
#include <cstdarg>
#include <functional>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/recorder.h"

namespace colony {
namespace {

// The recording of one schema (`main`, or an attached file) of one connection.
class SchemaCapture {
 public:
  SchemaCapture(sqlite3* db, std::string schema, const SqliteHost& host, const std::optional<SpillSettings>& spill)
      : db_(db),
        host_(host),
        schema_(std::move(schema)),
        recorder_(db, schema_, host, spill ? *spill : spill_beside(sqlite3_db_filename(db, schema_.c_str()))) {}
  ~SchemaCapture() { release_statements(); }
  SchemaCapture(const SchemaCapture&) = delete;
  SchemaCapture& operator=(const SchemaCapture&) = delete;

  const std::string& schema() const { return schema_; }

  // The schema was read anew: so must the tables be, before the next recording.
  void schema_changed() { tables_known_ = false; }

  // sqlite3_close() refuses while statements are left, and disconnects virtual
  // tables before it looks.
  void release_statements() {
    sqlite3_finalize(insert_);
    insert_ = nullptr;
    recorder_.release_statements();
  }

  void begin() {
    if (!tables_known_) load_tables();
  }
  void record(int op, const char* table, sqlite3_int64 old_rowid) {
    if (writing_) return;
    written_ = false;
    if (!guarded_strangers_.empty() && guarded_strangers_.contains(table)) {
      throw RecordError(std::string("table ") + table +
                        " is not one of those that this file replicates; if it was renamed, run colony init again");
    }
    recorder_.record(op, table, old_rowid);
    COLONY_STEP("capture.recorded");
  }
  void savepoint(int level) {
    truncate_marks(level);
    marks_.push_back({level, recorder_.mark()});
    COLONY_STEP("capture.savepoint");
  }
  void release(int level) {
    truncate_marks(level);
    COLONY_STEP("capture.released");
  }
  void rollback_to(int level) {
    // The savepoint itself stays, so its mark does too. SQLite tells only of the
    // innermost of those that were open before the first change: the others have
    // no mark, and nothing was recorded before them.
    std::size_t at = 0;
    for (const Mark& mark : marks_) {
      if (mark.level == level) at = mark.at;
    }
    recorder_.truncate(at);
    std::erase_if(marks_, [level](const Mark& mark) { return mark.level > level; });
    written_ = false;
    COLONY_STEP("capture.rolled_back_to");
  }
  void clear() {
    marks_.clear();
    recorder_.clear();
    written_ = false;
    first_written_ = 0;
  }

  // Writes the recording into the outbox; throws RecordError. The recording stays
  // until clear(): a COMMIT that meets SQLITE_BUSY (in an attached file that is not
  // in WAL mode, say) leaves the transaction open, and the app may go on with it.
  void sync();

 private:
  struct Mark {
    int level;
    std::size_t at;
  };

  void truncate_marks(int level) {
    std::erase_if(marks_, [level](const Mark& mark) { return mark.level >= level; });
  }
  void forget_written();
  void write_piece(std::string_view piece, std::uint64_t shape, bool last);
  std::vector<std::string> query_names(const std::string& sql);
  void load_tables();
  [[noreturn]] void fail(const char* what) const {
    throw RecordError(std::string("colony: ") + what + ": " + sqlite3_errmsg(db_));
  }

  sqlite3* db_;
  const SqliteHost& host_;
  std::string schema_;
  Recorder recorder_;
  std::vector<Mark> marks_;
  sqlite3_stmt* insert_ = nullptr;
  bool tables_known_ = false;
  std::set<std::string, std::less<>> guarded_strangers_;  // tables that took their guards to another name
  bool writing_ = false;                                  // the hook then sees the outbox row itself
  bool written_ = false;                                  // all of the recording is in the outbox
  sqlite3_int64 first_written_ = 0;  // where it begins, or what an earlier try to commit wrote; 0: nothing
};

std::vector<std::string> SchemaCapture::query_names(const std::string& sql) {
  std::vector<std::string> names;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
    fail("cannot read the list of tables");
  while (sqlite3_step(statement) == SQLITE_ROW) {
    names.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
  }
  if (sqlite3_finalize(statement) != SQLITE_OK) fail("cannot read the list of tables");
  return names;
}

void SchemaCapture::load_tables() {
  const std::string s = quoted(schema_);
  const std::vector<std::string> strangers =
      query_names("SELECT tbl_name FROM " + s + ".sqlite_schema WHERE type = 'trigger' AND name GLOB " +
                  "'__colony_insert_*' AND tbl_name NOT IN (SELECT name FROM " + s + ".__colony_tables)");
  guarded_strangers_ = {strangers.begin(), strangers.end()};
  recorder_.set_tables(query_names("SELECT name FROM " + s + ".__colony_tables ORDER BY name"));
  tables_known_ = true;
}

void SchemaCapture::sync() {
  if (written_ || (recorder_.empty() && first_written_ == 0)) return;
  COLONY_STEP("capture.sync");
  const KeepCounters keep(db_, host_);
  if (first_written_ != 0) forget_written();
  std::string rest;  // of what has come, shorter than a piece
  std::uint64_t shape = 0;
  const auto drain = [&](std::string& bytes, std::uint64_t of_all) {
    shape = of_all;
    rest.empty() ? rest.swap(bytes) : static_cast<void>(rest.append(bytes));
    bytes.clear();
    std::size_t at = 0;
    for (; rest.size() - at > kOutboxPieceBytesMax; at += kOutboxPieceBytesMax) {
      write_piece(std::string_view(rest).substr(at, kOutboxPieceBytesMax), shape, false);
    }
    if (at > 0) rest.erase(0, at);
  };
  recorder_.write_changeset(std::ref(drain));  // by reference: nothing is allocated for it
  if (!rest.empty()) write_piece(rest, shape, true);
  written_ = true;
  COLONY_STEP("capture.synced");
}

void SchemaCapture::forget_written() {
  const std::string sql =
      "DELETE FROM " + quoted(schema_) + ".__colony_outbox WHERE piece >= " + std::to_string(first_written_);
  writing_ = true;
  const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  writing_ = false;
  if (rc != SQLITE_OK) fail("cannot write the outbox");
  first_written_ = 0;
}

void SchemaCapture::write_piece(std::string_view piece, std::uint64_t shape, bool last) {
  if (insert_ == nullptr) {
    // Numbers go on where the outbox ends, or, when all of it has been absorbed,
    // where that ended.
    const std::string s = quoted(schema_);
    const std::string sql = "INSERT INTO " + s +
                            ".__colony_outbox(piece, last, shape, changeset) VALUES(1 + coalesce((" +
                            "SELECT max(piece) FROM " + s + ".__colony_outbox), (SELECT value FROM " + s +
                            ".__colony_meta WHERE key = 'absorbed')), ?1, ?2, ?3)";
    if (sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &insert_, nullptr) != SQLITE_OK) {
      fail("cannot write the outbox");
    }
  }
  writing_ = true;
  sqlite3_bind_int(insert_, 1, last);
  sqlite3_bind_int64(insert_, 2, static_cast<sqlite3_int64>(shape));
  sqlite3_bind_blob64(insert_, 3, piece.data(), piece.size(), SQLITE_STATIC);
  sqlite3_step(insert_);
  const int rc = sqlite3_reset(insert_);
  if (first_written_ == 0) first_written_ = sqlite3_last_insert_rowid(db_);
  sqlite3_clear_bindings(insert_);
  writing_ = false;
  if (rc != SQLITE_OK) fail("cannot write the outbox");
  COLONY_STEP("capture.piece_written");
}

// All of one connection.
class Capture {
 public:
  Capture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill)
      : db_(db), host_(host), spill_(spill) {
    context_.capture = this;
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // Null, with `error` set, when somebody else has the preupdate hook.
  SchemaCapture* connect(const char* schema, std::string& error) {
    if (!hook_is_ours_) {
      if (!take_hook()) {
        host_.preupdate_hook(db_, nullptr, nullptr);
        error = kHookTaken;
        return nullptr;
      }
      hook_is_ours_ = true;
    }
    for (const auto& known : schemas_) {
      if (known->schema() == schema) {
        known->schema_changed();
        return known.get();
      }
    }
    return schemas_.emplace_back(std::make_unique<SchemaCapture>(db_, schema, host_, spill_)).get();
  }

  // A table of one of the schemas takes part in a transaction from now on.
  void begin() {
    if (in_transaction_ ? !keep_hook() : !take_hook()) throw RecordError(kHookTaken);
    in_transaction_ = true;
  }
  void end() {
    in_transaction_ = false;
    failure_.clear();
  }

  // To be called before what was recorded is trusted.
  void check() {
    if (!failure_.empty()) {
      const std::string failure = std::move(failure_);
      failure_.clear();
      throw RecordError(failure);
    }
    if (!keep_hook()) throw RecordError(kHookTaken);
  }

 private:
  static constexpr const char* kHookTaken =
      "colony: something else on this connection uses the preupdate hook (a session, perhaps), and there is only one: "
      "changes cannot be captured";

  // A session that is made on this connection takes the hook's context for
  // another session, the next one to tell. This one looks like a session that is
  // switched off and the last: the app then gets a refusal, and no crash.
  struct HookContext {
    unsigned char switched_off_session[1024] = {};
    Capture* capture = nullptr;
  };

  // False if somebody else had the hook until now.
  bool take_hook() {
    void* const before = host_.preupdate_hook(db_, &Capture::on_preupdate, &context_);
    return before == nullptr || before == &context_;
  }
  // False if it was not ours all the time.
  bool keep_hook() { return host_.preupdate_hook(db_, &Capture::on_preupdate, &context_) == &context_; }

  static void on_preupdate(void* context, sqlite3*, int op, const char* schema, const char* table,
                           sqlite3_int64 old_rowid, sqlite3_int64) {
    auto* const self = static_cast<HookContext*>(context)->capture;
    try {
      for (const auto& capture : self->schemas_) {
        if (capture->schema() == schema) {
          capture->record(op, table, old_rowid);
          return;
        }
      }
    } catch (const std::bad_alloc&) {
      self->failure_ = "colony: out of memory while recording a transaction";
    } catch (const std::exception& error) {
      self->failure_ = std::string("colony: ") + error.what();
    }
  }

  sqlite3* db_;
  const SqliteHost& host_;
  std::optional<SpillSettings> spill_;
  HookContext context_;
  bool hook_is_ours_ = false;
  bool in_transaction_ = false;  // that a table of ours takes part in
  std::string failure_;          // of the hook, which has no way to tell
  std::vector<std::unique_ptr<SchemaCapture>> schemas_;
};

struct CaptureTable : sqlite3_vtab {
  Capture* connection;
  SchemaCapture* capture;
};

CaptureTable& table_of(sqlite3_vtab* vtab) { return *static_cast<CaptureTable*>(vtab); }

// Runs `body` where no exception may pass, and turns one into SQLite's error.
template <class Body>
int guarded(sqlite3_vtab* vtab, Body&& body) {
  try {
    body();
    return SQLITE_OK;
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (const std::exception& error) {
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s", error.what());
    return SQLITE_ERROR;
  }
}

int x_connect(sqlite3* db, void* context, int, const char* const* argv, sqlite3_vtab** out, char** error) {
  try {
    if (const int rc = sqlite3_declare_vtab(db, "CREATE TABLE capture(touch)"); rc != SQLITE_OK) return rc;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    auto table = std::make_unique<CaptureTable>();
    std::string why;
    table->connection = static_cast<Capture*>(context);
    table->capture = table->connection->connect(argv[1], why);
    if (table->capture == nullptr) {
      *error = sqlite3_mprintf("%s", why.c_str());
      return SQLITE_ERROR;
    }
    *out = table.release();
    return SQLITE_OK;
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

int x_disconnect(sqlite3_vtab* vtab) {
  table_of(vtab).capture->release_statements();
  delete &table_of(vtab);
  return SQLITE_OK;
}

int x_begin(sqlite3_vtab* vtab) {
  return guarded(vtab, [&] {
    table_of(vtab).capture->begin();
    table_of(vtab).connection->begin();
    COLONY_STEP("capture.begun");
  });
}

int x_sync(sqlite3_vtab* vtab) {
  return guarded(vtab, [&] {
    table_of(vtab).connection->check();
    table_of(vtab).capture->sync();
  });
}

int end(sqlite3_vtab* vtab) {
  table_of(vtab).capture->clear();
  table_of(vtab).connection->end();
  return SQLITE_OK;
}

int x_commit(sqlite3_vtab* vtab) {
  COLONY_STEP("capture.committed");
  return end(vtab);
}

int x_rollback(sqlite3_vtab* vtab) {
  COLONY_STEP("capture.rolled_back");
  return end(vtab);
}

int x_savepoint(sqlite3_vtab* vtab, int level) {
  return guarded(vtab, [&] { table_of(vtab).capture->savepoint(level); });
}

int x_release(sqlite3_vtab* vtab, int level) {
  table_of(vtab).capture->release(level);
  return SQLITE_OK;
}

int x_rollback_to(sqlite3_vtab* vtab, int level) {
  table_of(vtab).capture->rollback_to(level);
  return SQLITE_OK;
}

int x_update(sqlite3_vtab* vtab, int, sqlite3_value**, sqlite3_int64*) {
  sqlite3_free(vtab->zErrMsg);
  vtab->zErrMsg = sqlite3_mprintf("colony: %s is not for writing", kCaptureTable);
  return SQLITE_READONLY;
}

// Reading it gives no rows.
int x_best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }
int x_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new (std::nothrow) sqlite3_vtab_cursor{};
  return *out != nullptr ? SQLITE_OK : SQLITE_NOMEM;
}
int x_close(sqlite3_vtab_cursor* cursor) {
  delete cursor;
  return SQLITE_OK;
}
int x_filter(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; }
int x_next(sqlite3_vtab_cursor*) { return SQLITE_OK; }
int x_eof(sqlite3_vtab_cursor*) { return 1; }
int x_column(sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }
int x_rowid(sqlite3_vtab_cursor*, sqlite3_int64* rowid) {
  *rowid = 0;
  return SQLITE_OK;
}

sqlite3_module capture_module() {
  sqlite3_module module{};
  module.iVersion = 2;
  module.xCreate = x_connect;
  module.xConnect = x_connect;
  module.xBestIndex = x_best_index;
  module.xDisconnect = x_disconnect;
  module.xDestroy = x_disconnect;
  module.xOpen = x_open;
  module.xClose = x_close;
  module.xFilter = x_filter;
  module.xNext = x_next;
  module.xEof = x_eof;
  module.xColumn = x_column;
  module.xRowid = x_rowid;
  module.xUpdate = x_update;
  module.xBegin = x_begin;
  module.xSync = x_sync;
  module.xCommit = x_commit;
  module.xRollback = x_rollback;
  module.xSavepoint = x_savepoint;
  module.xRelease = x_release;
  module.xRollbackTo = x_rollback_to;
  return module;
}

// A SQL function without arguments that answers with the first value of a query.
template <const char* Sql>
void query_function(sqlite3_context* context, int, sqlite3_value**) {
  sqlite3_stmt* statement = nullptr;
  sqlite3* const db = sqlite3_context_db_handle(context);
  if (sqlite3_prepare_v2(db, Sql, -1, &statement, nullptr) != SQLITE_OK) {
    sqlite3_result_error(context, "this database does not belong to a colony: run colony init first", -1);
    return;
  }
  if (sqlite3_step(statement) == SQLITE_ROW) sqlite3_result_value(context, sqlite3_column_value(statement, 0));
  if (sqlite3_finalize(statement) != SQLITE_OK) sqlite3_result_error(context, sqlite3_errmsg(db), -1);
}

constexpr char kNodeSql[] = "SELECT value FROM main.__colony_meta WHERE key = 'node'";
constexpr char kPendingSql[] = "SELECT count(*) FROM main.__colony_outbox WHERE last";

}  // namespace

int install_capture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill) {
  static const sqlite3_module module = capture_module();
  auto* const capture = new (std::nothrow) Capture(db, host, spill);
  if (capture == nullptr) return SQLITE_NOMEM;
  int rc = sqlite3_create_module_v2(db, kCaptureModule, &module, capture,
                                    [](void* context) { delete static_cast<Capture*>(context); });
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
  if (rc == SQLITE_OK) {
    rc = sqlite3_create_function(db, "colony_node", 0, kFlags, nullptr, query_function<kNodeSql>, nullptr, nullptr);
  }
  if (rc == SQLITE_OK) {
    rc = sqlite3_create_function(db, "colony_pending", 0, kFlags, nullptr, query_function<kPendingSql>, nullptr,
                                 nullptr);
  }
  return rc;
}

}  // namespace colony
