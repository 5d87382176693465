// The entry point of colony.so: `SELECT load_extension('colony')`, `.load colony`.
#include "sqlite_ext/capture.h"
SQLITE_EXTENSION_INIT1

extern "C" __attribute__((visibility("default"))) int sqlite3_colony_init(sqlite3* db, char** error,
                                                                          const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  if (colony::SqliteHost::being_examined()) return SQLITE_OK;
  const colony::SqliteHost* const host = colony::SqliteHost::get();
  if (host == nullptr) {
    *error = sqlite3_mprintf(
        "colony: the SQLite %s of this program was built without SQLITE_ENABLE_PREUPDATE_HOOK, so that its writes "
        "cannot "
        "be captured; run the app with a SQLite that has it (Debian's libsqlite3-0 does)",
        sqlite3_libversion());
    return SQLITE_ERROR;
  }
  // A second load into one connection changes nothing.
  if (sqlite3_stmt* loaded = nullptr;
      sqlite3_prepare_v2(db, "SELECT 1 FROM pragma_module_list WHERE name = ?1", -1, &loaded, nullptr) == SQLITE_OK) {
    sqlite3_bind_text(loaded, 1, colony::kCaptureModule, -1, SQLITE_STATIC);
    const bool is_loaded = sqlite3_step(loaded) == SQLITE_ROW;
    sqlite3_finalize(loaded);
    if (is_loaded) return SQLITE_OK;
  }
  return colony::install_capture(db, *host);
}
