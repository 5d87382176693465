#include "replicator/status/disk_advice.h"

#include <unistd.h>

#include <cerrno>

namespace colony {
namespace {

constexpr const char* kByItself = ", and this node goes on by itself";

bool is_full(const SqliteError& error) {
  return error.code() == SQLITE_FULL || error.system_error() == ENOSPC || error.system_error() == EDQUOT;
}

bool is_not_writable(const SqliteError& error) {
  return error.code() == SQLITE_READONLY || error.code() == SQLITE_PERM || error.system_error() == EROFS ||
         error.system_error() == EACCES;
}

}  // namespace

std::string disk_advice(const SqliteError& error) {
  if (is_full(error)) return std::string(": make room on its disk") + kByItself;
  if (is_not_writable(error)) {
    return ": make the file, the files beside it and their folder writable for user " + std::to_string(geteuid()) +
           kByItself;
  }
  if (error.extended_code() == SQLITE_CORRUPT_VTAB) {
    return ": the index of a virtual table does not match its rows, while the file itself is sound: rebuild it (FTS5: "
           "INSERT INTO f(f) VALUES('rebuild'))" +
           std::string(kByItself);
  }
  switch (error.code()) {
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return std::string(": see to the disk and its system's log") + kByItself + " when it can be written again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ": the file is damaged. Stop programs and sidecar, put it aside, and start colony run DB --cluster ... "
             "--node NEW for a new one; what colony status counts as pending is in the old one only";
    default:
      return "";
  }
}

}  // namespace colony
