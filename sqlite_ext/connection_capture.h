// Captures all schemas of one connection, whose preupdate hook it has. There is only one
// such hook: if somebody else takes it, what was recorded cannot be trusted, and commits
// are refused.
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

  // The capture of a schema, whose tables may have changed. Lives as long as this.
  // Throws RecordError when somebody else has the preupdate hook.
  SchemaCapture& connect(const char* schema);

  // A table of one of the schemas takes part in a transaction from now on.
  void begin();
  void end();

  // To be called before what was recorded is trusted.
  void check();

 private:
  // A session that is made on this connection takes the hook's context for
  // another session, the next one to tell. This one looks like a session that is
  // switched off and the last: the app then gets a refusal, and no crash.
  struct HookContext {
    unsigned char switched_off_session[1024] = {};
    ConnectionCapture* capture = nullptr;
  };

  bool take_hook();
  bool keep_hook();
  static void on_preupdate(void* context, sqlite3*, int op, const char* schema, const char* table,
                           sqlite3_int64 old_rowid, sqlite3_int64);

  sqlite3* db_;
  const SqliteHost& host_;
  std::optional<SpillSettings> spill_;
  HookContext context_;
  bool hook_is_ours_ = false;
  bool in_transaction_ = false;  // that a table of ours takes part in
  std::string failure_;          // of the hook, which has no way to tell
  std::vector<std::unique_ptr<SchemaCapture>> schemas_;
};

}  // namespace colony
