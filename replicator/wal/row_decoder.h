// Makes of rows as they are stored what a SELECT shows of them.
//
// Threads: one. Errors: WalLost for bytes that are no row of the table; SqliteError.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"
#include "replicator/wal/page_changes.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {

// The replicated columns of a row: views of the stored row, of the decoder and of this object.
struct DecodedRow {
  std::vector<Value> values;
  std::vector<std::string> converted;  // text that is stored as UTF-16, by column
};

class RowDecoder {
 public:
  RowDecoder(CapturedTable table, const PageFormat& format);

  const CapturedTable& table() const { return table_; }
  const PageFormat& format() const { return format_; }

  // False if the row has a NULL in its key: then it is no node's but this one's.
  bool decode(const StoredRow& row, DecodedRow& decoded);

 private:
  Value value(std::size_t column, const StoredRow& row, DecodedRow& decoded);
  std::string utf8(const Value& value);

  const CapturedTable table_;
  const PageFormat format_;
  std::vector<std::size_t> places_;         // of each column, in the record
  std::vector<std::string> before_it_was_;  // encoded: what rows have that are older than the column
  std::vector<Value> fields_;
  struct CloseScratch {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  std::unique_ptr<sqlite3, CloseScratch> scratch_;  // of databases whose text is UTF-16
  StatementHandle echo_;
};

}  // namespace colony
