#include "replicator/repair/kept_rows.h"

#include "sqlite_ext/captured_table.h"

namespace colony {

KeptRows::KeptRows(const std::string& path) : db_(path, Database::Mode::kReadWrite) {
  db_.execute("PRAGMA synchronous = FULL; BEGIN");
}

void KeptRows::add(const ReplicatedTable& table, const std::vector<Value>& row) {
  Statement& insert = inserts_[table.name];
  if (!insert) {
    std::string names, parameters;
    for (std::size_t i = 0; i < row.size(); ++i) {
      names += (i > 0 ? ", " : "") + quoted(table.columns[i]);
      parameters += i > 0 ? ",?" : "?";
    }
    db_.execute("CREATE TABLE " + quoted(table.name) + "(" + names + ")");
    insert = Statement(db_, "INSERT INTO " + quoted(table.name) + " VALUES(" + parameters + ")");
  }
  for (std::size_t i = 0; i < row.size(); ++i) insert.bind(static_cast<int>(i + 1), row[i]);
  insert.run();
}

void KeptRows::finish() {
  inserts_.clear();
  db_.execute("COMMIT");
  db_ = Database();
}

}  // namespace colony
