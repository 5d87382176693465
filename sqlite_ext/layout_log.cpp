#include "sqlite_ext/layout_log.h"

#include <memory>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

constexpr const char* kCannotWrite = "cannot note the columns of a table";

StatementHandle prepare(sqlite3* db, const std::string& sql) { return prepared(db, sql, kCannotWrite); }

}  // namespace

bool changes_layout(const SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  if (change.type != "table") return false;
  return change.kind == Kind::kDrop || change.kind == Kind::kRenameTable || change.kind == Kind::kRenameColumn ||
         change.kind == Kind::kRemake;
}

void append_layout(sqlite3* db, const std::string& schema, const SchemaChange& change,
                   const std::vector<std::string>& columns) {
  const StatementHandle insert =
      prepare(db, "INSERT INTO " + quoted(schema) + ".__colony_layouts(name, columns, change) VALUES(?1, ?2, ?3)");
  const std::string names = encoded_names(columns), section = encoded(SchemaChanges{change});
  sqlite3_bind_text(insert.get(), 1, change.name.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_blob64(insert.get(), 2, names.data(), names.size(), SQLITE_STATIC);
  sqlite3_bind_blob64(insert.get(), 3, section.data(), section.size(), SQLITE_STATIC);
  if (sqlite3_step(insert.get()) != SQLITE_DONE) throw_record_error(db, kCannotWrite);
}

std::uint64_t count_layouts(sqlite3* db, const std::string& schema) {
  const StatementHandle count = prepare(db, "SELECT count(*) FROM " + quoted(schema) + ".__colony_layouts");
  if (sqlite3_step(count.get()) != SQLITE_ROW) throw_record_error(db, kCannotWrite);
  return static_cast<std::uint64_t>(sqlite3_column_int64(count.get(), 0));
}

void remove_last_layout(sqlite3* db, const std::string& schema) {
  const std::string table = quoted(schema) + ".__colony_layouts";
  const StatementHandle remove =
      prepare(db, "DELETE FROM " + table + " WHERE id = (SELECT max(id) FROM " + table + ")");
  if (sqlite3_step(remove.get()) != SQLITE_DONE) throw_record_error(db, kCannotWrite);
}

std::string encoded_names(const std::vector<std::string>& names) {
  std::string bytes;
  append_varint(bytes, names.size());
  for (const std::string& name : names) {
    append_varint(bytes, name.size());
    bytes += name;
  }
  return bytes;
}

std::vector<std::string> decoded_names(std::string_view bytes) {
  std::vector<std::string> names;
  for (std::uint64_t count = take_varint(bytes); count > 0; --count) {
    const std::uint64_t size = take_varint(bytes);
    if (size > bytes.size()) throw ChangesetError("the columns of a former table cannot be read");
    names.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return names;
}

}  // namespace colony
