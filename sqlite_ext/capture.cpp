#include "sqlite_ext/capture.h"

#include <memory>
#include <new>

#include "sqlite_ext/connection_capture.h"
#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/guard_index.h"

namespace colony {
namespace {

struct CaptureTable : sqlite3_vtab {
  ConnectionCapture* connection;
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
    table->connection = static_cast<ConnectionCapture*>(context);
    table->capture = &table->connection->connect(argv[1]);
    *out = table.release();
    return SQLITE_OK;
  } catch (const RecordError& refusal) {
    *error = sqlite3_mprintf("%s", refusal.what());
    return SQLITE_ERROR;
  } catch (...) {
    return SQLITE_NOMEM;
  }
}

// SQLite does not say that a table which it has just made takes part in the transaction.
int x_create(sqlite3* db, void* context, int argc, const char* const* argv, sqlite3_vtab** out, char** error) {
  const int rc = x_connect(db, context, argc, argv, out, error);
  if (rc == SQLITE_OK) table_of(*out).capture->begin_as_made();
  return rc;
}

// The table is dropped.
int x_destroy(sqlite3_vtab* vtab) {
  if (!table_of(vtab).connection->allows_schema_changes()) return SQLITE_READONLY;
  table_of(vtab).connection->forget(*table_of(vtab).capture);
  delete &table_of(vtab);
  return SQLITE_OK;
}

int x_disconnect(sqlite3_vtab* vtab) {
  table_of(vtab).capture->release_statements();
  delete &table_of(vtab);
  return SQLITE_OK;
}

int x_begin(sqlite3_vtab* vtab) {
  return guarded(vtab, [&] {
    table_of(vtab).connection->begin(*table_of(vtab).capture);
    COLONY_STEP("capture.begun");
  });
}

int x_sync(sqlite3_vtab* vtab) {
  return guarded(vtab, [&] { table_of(vtab).connection->sync(*table_of(vtab).capture); });
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
  table_of(vtab).connection->rolled_back(*table_of(vtab).capture);
  return SQLITE_OK;
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
  module.xCreate = x_create;
  module.xConnect = x_connect;
  module.xBestIndex = x_best_index;
  module.xDisconnect = x_disconnect;
  module.xDestroy = x_destroy;
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

void guard_function(sqlite3_context* context, int, sqlite3_value**) {
  static_cast<ConnectionCapture*>(sqlite3_user_data(context))->before_guarded_write();
  sqlite3_result_int(context, 0);
}

void allow_function(sqlite3_context* context, int, sqlite3_value**) {
  static_cast<ConnectionCapture*>(sqlite3_user_data(context))->allow_schema_changes();
  sqlite3_result_text(context, "schema changes are allowed: stop the programs that write, make them on every node", -1,
                      SQLITE_STATIC);
}

constexpr char kNodeSql[] = "SELECT value FROM main.__colony_meta WHERE key = 'node'";
constexpr char kPendingSql[] = "SELECT count(*) FROM main.__colony_outbox WHERE last";

}  // namespace

int install_capture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill, CaptureFor whom) {
  static const sqlite3_module module = capture_module();
  auto* const capture = new (std::nothrow) ConnectionCapture(db, host, spill);
  if (capture == nullptr) return SQLITE_NOMEM;
  if (whom == CaptureFor::kColony) capture->allow_schema_changes();
  int rc = sqlite3_create_module_v2(db, kCaptureModule, &module, capture,
                                    [](void* context) { delete static_cast<ConnectionCapture*>(context); });
  if (rc == SQLITE_OK) rc = sqlite3_create_module(db, kFormerCaptureModule, &module, capture);
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
  const auto add = [&](const char* name, int flags, void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    if (rc == SQLITE_OK) rc = sqlite3_create_function(db, name, 0, flags, capture, function, nullptr, nullptr);
  };
  add(kGuardFunction, kFlags | SQLITE_DETERMINISTIC, guard_function);
  add("colony_node", kFlags, query_function<kNodeSql>);
  add("colony_pending", kFlags, query_function<kPendingSql>);
  add("colony_allow_schema_changes", SQLITE_UTF8 | SQLITE_DIRECTONLY, allow_function);
  if (rc != SQLITE_OK || whom == CaptureFor::kColony) return rc;
  try {
    capture->start();
  } catch (...) {
    return SQLITE_NOMEM;
  }
  return SQLITE_OK;
}

// Functions can be looked for without reading the schema, which must not be read before
// they are registered: SQLite would then call the guards' for every row.
bool has_capture(sqlite3* db) {
  sqlite3_stmt* call = nullptr;
  const int rc = sqlite3_prepare_v2(db, "SELECT colony_allow_schema_changes()", -1, &call, nullptr);
  sqlite3_finalize(call);
  return rc == SQLITE_OK;
}

}  // namespace colony
