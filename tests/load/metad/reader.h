// What metad reads: values, objects with their placements, lists of them by prefix,
// and who holds a blob. Each answer is of one state of the file.
//
// A value that has expired by this machine's clock is not there, whether or not
// somebody has deleted its row yet.
//
// Threads: each has a Reader of its own, with a read-only connection. Throws
// SqliteError.
#pragma once

#include <string>

#include "tests/load/metad/database.h"
#include "tests/load/metad/messages.h"

namespace metad {

struct Page {
  std::string prefix;
  std::string after;  // the last key of the page before
  std::int64_t limit = 100;
};
inline constexpr std::int64_t kPageLimitMax = 1000;

class Reader {
 public:
  explicit Reader(const std::string& path);

  Response value(std::string_view space, std::string_view key);
  Response values(std::string_view space, const Page& page);
  Response object(std::string_view key);
  Response objects(const Page& page);
  Response placements(std::string_view node, const Page& page);
  // Where ready copies are, of an object or of a blob by its SHA-256.
  Response holders_of_object(std::string_view key);
  Response holders_of_blob(std::string_view sha256);
  // Throws if the file cannot be read.
  void probe();

 private:
  Database db_;
  Statement begin_, end_;
  Statement value_, values_, object_, objects_, object_placements_, node_placements_, node_placements_below_,
      object_holders_, blob_holders_, probe_;
};

}  // namespace metad
