#include "sqlite_ext/schema_rehearsal.h"

#include <array>
#include <memory>
#include <new>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {
namespace {

constexpr std::array kTypes = {"table", "index", "view", "trigger"};  // in an order in which they can be made

class Stage {
 public:
  Stage() : db_(SqliteHost::open_scratch(), sqlite3_close) {
    if (db_ == nullptr) throw std::bad_alloc();
  }

  bool run(const std::string& sql) {
    return sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  }

  void make(const SchemaObjects& objects) {
    for (const char* const type : kTypes) {
      for (const auto& [name, object] : objects) {
        if (object.type == type) run(object.sql);
      }
    }
  }

  void make(const SchemaChange& change) {
    using Kind = SchemaChange::Kind;
    const std::string table = quoted(change.name), drop = "DROP " + change.type + " " + table;
    switch (change.kind) {
      case Kind::kCreate:
        run(change.sql);
        return;
      case Kind::kDrop:
        run(drop);
        return;
      case Kind::kAddColumn:
        run("ALTER TABLE " + table + " ADD COLUMN " + change.sql);
        return;
      case Kind::kRenameTable:
        run("ALTER TABLE " + table + " RENAME TO " + quoted(change.to));
        return;
      case Kind::kRenameColumn:
        run("ALTER TABLE " + table + " RENAME COLUMN " + quoted(change.column) + " TO " + change.sql);
        return;
      case Kind::kRemake:
      case Kind::kReplace:
        run(drop);
        run(change.sql);
        return;
    }
  }

  std::map<std::string, std::string> statements() {
    std::map<std::string, std::string> all;
    sqlite3_stmt* select = nullptr;
    sqlite3_prepare_v2(db_.get(), "SELECT name, sql FROM sqlite_schema WHERE sql NOTNULL", -1, &select, nullptr);
    const auto text = [&](int column) {
      return std::string(reinterpret_cast<const char*>(sqlite3_column_text(select, column)));
    };
    while (sqlite3_step(select) == SQLITE_ROW) all.emplace(text(0), text(1));
    sqlite3_finalize(select);
    return all;
  }

 private:
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> db_;
};

}  // namespace

std::map<std::string, std::string> rehearse(const SchemaObjects& before, const SchemaChanges& changes) {
  Stage stage;
  stage.make(before);
  stage.run("PRAGMA writable_schema = ON");  // ALTER TABLE then does not mind what it cannot compile
  for (const SchemaChange& change : changes) stage.make(change);
  return stage.statements();
}

}  // namespace colony
