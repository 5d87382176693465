// Captures all schemas of one connection: brings what the connection does before the
// SchemaCapture that it concerns, by as many ways as SQLite offers.
//
//  - The preupdate hook shows every row that changes. There is only one such hook: if
//    somebody else takes it, what was recorded cannot be trusted, and commits are refused.
//  - What takes part in a transaction through its virtual table is told of savepoints and
//    of the commit. Triggers see to that. Where they do not fire, the hook does, or the
//    function of a guard index.
//  - The trace callback sees statements before they run, and so those that change a
//    schema. A program may have one of its own, which is called by this one, and may
//    replace this one; it is put back when the next transaction begins.
//  - Only when a change was seen that can no longer be brought before anybody is a commit
//    hook installed, which turns this one commit into a rollback.
//
// Threads: those of the connection, one at a time. Errors: RecordError, std::bad_alloc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sqlite_ext/schema_capture.h"

namespace colony {

class ConnectionCapture {
 public:
  ConnectionCapture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill);
  ConnectionCapture(const ConnectionCapture&) = delete;
  ConnectionCapture& operator=(const ConnectionCapture&) = delete;

  // Once everything is registered: begins to watch. Reads the schema of `main`. Until then
  // only what triggers bring is captured.
  void start();

  // The capture of a schema, whose tables may have changed. Lives as long as this.
  // Throws RecordError when somebody else has the preupdate hook.
  SchemaCapture& connect(const char* schema);

  // The schema is no colony's any more, and nothing tells when the connection is closed: no
  // statement may be left.
  void forget(SchemaCapture& capture);

  // A table of one of the schemas takes part in a transaction from now on.
  void begin(SchemaCapture& capture);
  void end();
  void rolled_back(SchemaCapture& capture);

  // The transaction is about to commit.
  void sync(SchemaCapture& capture);

  // A row of some guarded table is about to be written.
  void before_guarded_write() noexcept;

  void allow_schema_changes();
  bool allows_schema_changes() const { return allows_schema_changes_; }

 private:
  // A session that is made on this connection takes the hook's context for
  // another session, the next one to tell. This one looks like a session that is
  // switched off and the last: the app then gets a refusal, and no crash.
  struct HookContext {
    unsigned char switched_off_session[1024] = {};
    ConnectionCapture* capture = nullptr;
  };

  void check();
  bool take_hook();
  bool keep_hook();
  bool keep_trace();
  static void on_preupdate(void* context, sqlite3*, int op, const char* schema, const char* table,
                           sqlite3_int64 old_rowid, sqlite3_int64);
  static int on_trace(unsigned event, void* context, void* p, void* x);
  static int on_commit(void* context);

  void before_row(const char* schema, int op, const char* table, sqlite3_int64 old_rowid);
  void before_schema_edit(SchemaCapture& capture);
  void before_statement(sqlite3_stmt* statement, const char* text);
  void before_schema_change(const std::string& schema, const char* text);
  SchemaCapture* find(const char* schema);
  SchemaCapture* discover(const std::string& schema);
  void discover_all();
  std::vector<std::string> schema_names();
  int run_enlistment(const std::string& schema, bool only_prepare);
  void enlist(SchemaCapture& capture);
  bool is_of_colony(const SchemaCapture& capture);
  void watch_next_commit();
  bool sync_another_run() noexcept;
  bool fires_triggers();

  sqlite3* db_;
  const SqliteHost& host_;
  std::optional<SpillSettings> spill_;
  HookContext context_;
  TraceCallback others_trace_;
  bool started_ = false;
  bool hook_is_ours_ = false;
  bool hook_was_taken_ = false;  // by somebody else, before it was ours
  bool in_transaction_ = false;  // that a table of ours takes part in
  bool enlisting_ = false;
  bool commit_hook_is_ours_ = false;
  bool allows_schema_changes_ = false;
  std::string failure_;  // of a callback that has no way to tell
  std::vector<std::unique_ptr<SchemaCapture>> schemas_;
};

}  // namespace colony
