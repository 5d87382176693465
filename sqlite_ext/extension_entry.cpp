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
  if (colony::has_capture(db)) return SQLITE_OK;
  return colony::install_capture(db, *host);
}
