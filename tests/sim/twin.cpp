#include "tests/sim/twin.h"

#include "tests/sim/judge.h"
#include "tests/sim/node.h"
#include "tests/sim/random_schema.h"
#include "tests/sim/workload.h"

namespace colony::sim {
namespace {

void node_name(sqlite3_context* context, int, sqlite3_value**) {
  sqlite3_result_text(context, "twin", -1, SQLITE_STATIC);
}

class Plain {
 public:
  explicit Plain(const std::string& pragmas_and_schema) : db_(":memory:", Database::Mode::kReadWrite) {
    sqlite3_create_function(db_.handle(), "colony_node", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, nullptr, node_name, nullptr,
                            nullptr);
    db_.execute(pragmas_and_schema);
  }
  Database& db() { return db_; }

 private:
  Database db_;
};

std::string differences(const SqlResult& node, const SqlResult& plain) {
  std::string out;
  const auto compare = [&](const char* what, std::int64_t a, std::int64_t b) {
    if (a != b) out += std::string(" ") + what + " " + std::to_string(a) + " instead of " + std::to_string(b);
  };
  compare("result code", node.code, plain.code);
  compare("last_insert_rowid()", node.last_insert_rowid, plain.last_insert_rowid);
  compare("changes()", node.changes, plain.changes);
  compare("total_changes()", node.total_changes, plain.total_changes);
  if (node.message != plain.message) out += " message '" + node.message + "' instead of '" + plain.message + "'";
  return out;
}

// The one thing that an app does notice, and is meant to.
bool refused_null(const SqlResult& result) { return result.message.starts_with("colony: NULL in the primary key"); }

// Any trigger that writes a virtual table changes in which order SQLite changes
// rows (which shows when a statement with OR FAIL stops half-way), what it can take
// back, and when it looks at foreign keys (which shows in last_insert_rowid() after
// a failure). So the plain database has as many triggers as the node has guards:
// what remains is what the capture itself does.
void add_idle_triggers(Database& db, const Schema& schema) {
  db.execute("CREATE VIRTUAL TABLE idle USING fts5(x)");
  for (const Table& table : schema.tables) {
    for (const char* event : {"INSERT", "UPDATE", "DELETE"}) {
      db.execute("CREATE TRIGGER " + quote(std::string("idle_") + event + table.name) + " AFTER " + event + " ON " +
                 quote(table.name) + " WHEN 0 BEGIN INSERT INTO idle VALUES(1); END");
    }
  }
}

// From then on SQLite picks rowids at random, others in each of two databases.
bool largest_rowid_is_taken(Database& db, const Schema& schema) {
  for (const Table& table : schema.tables) {
    if (table.rowid_key &&
        db.query_integer("SELECT count(*) FROM " + quote(table.name) + " WHERE rowid = 9223372036854775807") != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string> compare_with_plain_sqlite(std::uint64_t seed, Transcript& transcript) {
  Random random(seed, "twin");
  const RandomSchema drawn = random_schema(Random(seed, "twin's schema"), {});
  NodeSettings settings;
  settings.name = "twin";
  settings.path = fresh_path("twin");
  settings.foreign_keys = random.percent(60);
  settings.recursive_triggers = random.percent(20);
  settings.schema_sql = drawn.tables_sql;
  for (const std::string& index : drawn.indexes_sql) settings.schema_sql += index + ";\n";
  const std::string pragmas = std::string(settings.foreign_keys ? "PRAGMA foreign_keys = ON;" : "") +
                              (settings.recursive_triggers ? "PRAGMA recursive_triggers = ON;" : "");

  MemoryLog log;
  Wire wire(log);
  Node node(settings, log, wire);
  Plain plain(settings.schema_sql + pragmas);
  const Schema schema = read_schema(plain.db().handle());
  add_idle_triggers(plain.db(), schema);
  for (sqlite3* db : {node.app(), plain.db().handle()}) sqlite3_set_last_insert_rowid(db, 0);
  // Setting a node up has counted changes of its own.
  const std::int64_t node_counted = sqlite3_total_changes64(node.app());
  const std::int64_t plain_counted = sqlite3_total_changes64(plain.db().handle());
  transcript.add(settings.schema_sql);

  for (std::size_t i = 0; i < 25; ++i) {
    for (const std::string& sql : Workload(schema, {true, !drawn.utf16, false}, random).transaction()) {
      SqlResult here = node.sql(sql);
      SqlResult there = run_sql(plain.db().handle(), sql);
      here.total_changes -= node_counted;
      there.total_changes -= plain_counted;
      if (here.total_changes == 0) here.changes = there.changes;
      transcript.add("twin: " + sql + (there.code == SQLITE_OK ? "" : "   -- " + there.message));
      if (refused_null(here)) return std::nullopt;
      if (largest_rowid_is_taken(plain.db(), schema)) return std::nullopt;
      if (const std::string differs = differences(here, there); !differs.empty()) {
        return "after " + sql + " an app sees" + differs;
      }
    }
    if (node.app_in_transaction()) continue;
    const std::string rows = difference(Judge::rows_of(plain.db(), schema), Judge::rows_of(node.observer(), schema),
                                        "in plain SQLite", "in the node");
    if (!rows.empty()) return "rows differ:" + rows;
  }
  return std::nullopt;
}

}  // namespace colony::sim
