// Programs on three nodes that change rows and the schema in random order: all nodes end with
// the same of both, and none halts.
#include <gtest/gtest.h>

#include <random>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"
#include "tests/unit/memory_sidecar.h"

namespace colony {
namespace {

using unit::MemorySidecar;
using unit::MemoryStream;

constexpr const char* kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b TEXT); CREATE TABLE u(a, k TEXT PRIMARY KEY, c REAL DEFAULT 2)";

class Programs {
 public:
  Programs(std::uint32_t seed, GuardKind guards) : random_(seed) {
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      apps_.push_back(std::make_unique<unit::MemoryNode>(kSchema, name, guards));
      nodes_.push_back(std::make_unique<MemorySidecar>(stream_, *apps_.back(), name));
      for (const char* table : {"t", "u"}) agree_on_definition(app(i), table);
      nodes_[i]->app().run("INSERT INTO __colony_meta(key, value) VALUES('left_out_known', 1)");
    }
    settle();
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      const std::size_t node = pick(3);
      switch (pick(10)) {
        case 0:
          nodes_[node]->absorb();
          break;
        case 1:
          nodes_[node]->publish();
          break;
        case 2:
          nodes_[node]->settle();
          break;
        case 3:
          if (pick(3) == 0) nodes_[node]->restart();
          break;
        case 4:
          transaction(node);
          break;
        case 5:
          run_statement(node, schema_change(node));
          break;
        default:
          run_statement(node, row_change(node));
      }
    }
  }

  void settle() { unit::settle({nodes_[0].get(), nodes_[1].get(), nodes_[2].get()}); }

  // All that is to be the same everywhere.
  std::string state(std::size_t node) {
    Database& db = app(node);
    std::string all = unit::rows(
        db,
        "(SELECT type, name, sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT LIKE '!_!_colony%' ESCAPE '!' "
        "ORDER BY type, name)");
    for (const std::string& table : tables(node)) all += table + ":\n" + apps_[node]->rows(quoted(table));
    all += "conflicts:\n" + unit::rows(db,
                                       "(SELECT sequence, origin, kind, table_name, key, lost FROM "
                                       "__colony_conflicts)");
    all += "agreed:\n" + unit::rows(db, "(SELECT name, definition FROM __colony_tables ORDER BY name)");
    all += "layouts:\n" + unit::rows(db, "(SELECT id, name, columns FROM __colony_layouts)");
    return all + "outbox: " + std::to_string(db.query_integer("SELECT count(*) FROM __colony_outbox")) + "\n";
  }
  std::string script() const { return script_ + "log:\n" + stream_.shown(); }

 private:
  Database& app(std::size_t node) { return apps_[node]->db(); }
  std::size_t pick(std::size_t below) { return random_() % below; }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[pick(all.size())];
  }

  std::vector<std::string> names(std::size_t node, const std::string& sql) {
    std::vector<std::string> all;
    Statement select(app(node), sql);
    while (select.step()) all.emplace_back(select.text(0));
    return all;
  }
  std::vector<std::string> tables(std::size_t node) {
    return names(node,
                 "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '!_!_colony%' ESCAPE '!' "
                 "ORDER BY name");
  }
  std::vector<std::string> columns(std::size_t node, const std::string& table, bool keys = true) {
    return names(node, "SELECT name FROM pragma_table_info('" + table + "')" + (keys ? "" : " WHERE pk = 0"));
  }

  std::string value() {
    return one_of<std::string>({"NULL", "1", "2", "'x'", "'y'", "2.5", "x'00'", "'" + std::to_string(pick(100)) + "'"});
  }
  std::string key() { return std::to_string(pick(6)); }

  std::string row_change(std::size_t node) {
    const std::vector<std::string> all = tables(node);
    if (all.empty()) return "";
    const std::string table = one_of(all);
    const std::string key_column =
        names(node, "SELECT name FROM pragma_table_info('" + table + "') WHERE pk = 1").front();
    const std::vector<std::string> others = columns(node, table, false);
    const std::string column = others.empty() ? "" : one_of(others);
    const std::string where = " WHERE " + quoted(key_column) + " = " + key();
    switch (pick(6)) {
      case 0:
        return "DELETE FROM " + quoted(table) + where;
      case 1:
      case 2:
        if (others.empty()) return "";
        return "UPDATE OR REPLACE " + quoted(table) + " SET " + quoted(column) + " = " + value() + where;
      default: {
        std::string columns = quoted(key_column), values = key();
        for (const std::string& other : others) {
          if (pick(4) == 0) continue;
          columns += ", " + quoted(other);
          values += ", " + value();
        }
        return "INSERT OR REPLACE INTO " + quoted(table) + "(" + columns + ") VALUES(" + values + ")";
      }
    }
  }

  std::string column_definition() {
    return one_of<std::string>({"", "INT", "TEXT", "REAL DEFAULT 7", "TEXT NOT NULL DEFAULT 5", "DEFAULT NULL",
                                "INTEGER DEFAULT -1", "NOT NULL DEFAULT ''"});
  }
  std::string new_name() { return one_of<std::string>({"a", "b", "c", "d", "new name"}); }
  std::string new_table() { return one_of<std::string>({"t", "u", "v", "w"}); }

  std::string schema_change(std::size_t node) {
    const std::vector<std::string> all = tables(node);
    if (all.empty() || pick(8) == 0) {
      return "CREATE TABLE " + new_table() + "(" +
             one_of<std::string>({"k INTEGER PRIMARY KEY, a, b", "id INTEGER PRIMARY KEY, b DEFAULT 1",
                                  "a TEXT, k PRIMARY KEY, c UNIQUE"}) +
             ")" + one_of<std::string>({"", ""});
    }
    const std::string table = one_of(all), q = quoted(table);
    const std::vector<std::string> others = columns(node, table, false);
    const std::string column = others.empty() ? "k" : one_of(others);
    switch (pick(11)) {
      case 0:
        return pick(3) == 0 ? "DROP TABLE " + q : "";
      case 1:
        return "ALTER TABLE " + q + " RENAME TO " + new_table();
      case 2:
        return rename_column(q, column, new_name());
      case 3:
        return "ALTER TABLE " + q + " DROP COLUMN " + quoted(column);
      case 4:
        return "CREATE INDEX i" + std::to_string(pick(2)) + " ON " + q + "(" + quoted(column) + ")";
      case 5:
        return "CREATE UNIQUE INDEX i" + std::to_string(pick(2)) + " ON " + q + "(" + quoted(column) + ")";
      case 6:
        return "DROP INDEX i" + std::to_string(pick(2));
      case 7:
        return "CREATE VIEW w" + std::to_string(pick(2)) + " AS SELECT * FROM " + q;
      case 8:
        return remake(node, table);
      default:
        return "ALTER TABLE " + q + " ADD COLUMN " + quoted(new_name()) + " " + column_definition();
    }
  }

  static std::string rename_column(const std::string& table, const std::string& column, const std::string& to) {
    return column == to ? "" : "ALTER TABLE " + table + " RENAME COLUMN " + quoted(column) + " TO " + quoted(to);
  }

  // As frameworks do it.
  std::string remake(std::size_t node, const std::string& table) {
    const std::string key = names(node, "SELECT name FROM pragma_table_info('" + table + "') WHERE pk = 1").front();
    std::string definition = quoted(key) + one_of<std::string>({" INTEGER PRIMARY KEY", " TEXT PRIMARY KEY"}),
                kept = quoted(key);
    for (const std::string& column : columns(node, table, false)) {
      if (pick(4) == 0) continue;
      definition += ", " + quoted(column) + " " + column_definition();
      kept += ", " + quoted(column);
    }
    if (pick(2) == 0) definition += ", extra " + one_of<std::string>({"", "DEFAULT 3", "TEXT NOT NULL DEFAULT 'e'"});
    const std::string q = quoted(table);
    return pick(2) == 0
               ? "CREATE TABLE staged(" + definition + "); INSERT OR IGNORE INTO staged(" + kept + ") SELECT " + kept +
                     " FROM " + q + "; DROP TABLE " + q + "; ALTER TABLE staged RENAME TO " + q
               : "ALTER TABLE " + q + " RENAME TO former; CREATE TABLE " + q + "(" + definition +
                     "); INSERT OR IGNORE INTO " + q + "(" + kept + ") SELECT " + kept +
                     " FROM former; DROP TABLE former";
  }

  void note(std::size_t node, const std::string& sql) {
    script_ += static_cast<char>('a' + node);
    script_ += ": " + sql + ";\n";
  }

  void run_statement(std::size_t node, const std::string& sql) {
    if (sql.empty()) return;
    const bool is_one = sql.find(';') == std::string::npos;
    if (!is_one) app(node).execute("BEGIN");
    const std::string error = unit::error_of(app(node), sql);
    note(node, sql + (error.empty() ? "" : " -- " + error));
    if (!is_one) app(node).execute(error.empty() ? "COMMIT" : "ROLLBACK");
  }

  void transaction(std::size_t node) {
    app(node).execute("BEGIN");
    note(node, "BEGIN");
    for (std::size_t n = pick(6); n > 0; --n) {
      std::string sql = pick(3) == 0 ? schema_change(node) : row_change(node);
      if (pick(8) == 0) sql = "SAVEPOINT s";
      if (pick(8) == 0) sql = "ROLLBACK TO s";
      if (sql.empty()) continue;
      const std::string error = unit::error_of(app(node), sql);
      note(node, sql + (error.empty() ? "" : " -- " + error));
      if (!app(node).in_transaction()) return;
    }
    const bool commits = pick(5) != 0;
    const std::string error = unit::error_of(app(node), commits ? "COMMIT" : "ROLLBACK");
    note(node, (commits ? "COMMIT" : "ROLLBACK") + (error.empty() ? std::string() : " -- " + error));
    if (app(node).in_transaction()) app(node).execute("ROLLBACK");
  }

  std::mt19937 random_;
  MemoryStream stream_;
  std::vector<std::unique_ptr<unit::MemoryNode>> apps_;
  std::vector<std::unique_ptr<MemorySidecar>> nodes_;
  std::string script_;
};

TEST(SchemaChangesProperty, rows_and_schema_come_to_the_same_on_all_nodes) {
  const char* const seeds = std::getenv("COLONY_SEEDS");
  const char* const first = std::getenv("COLONY_SEED");
  const std::uint32_t begin = first == nullptr ? 0 : static_cast<std::uint32_t>(std::atoi(first));
  const std::uint32_t count = seeds == nullptr ? 60 : static_cast<std::uint32_t>(std::atoi(seeds));
  for (std::uint32_t seed = begin; seed < begin + count; ++seed) {
    const char* const steps = std::getenv("COLONY_STEPS");
    Programs programs(seed, seed % 2 == 0 ? GuardKind::kIndex : GuardKind::kTriggers);
    try {
      programs.run(steps == nullptr ? 40 : std::atoi(steps));
      programs.settle();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "seed " << seed << ": " << error.what() << "\n" << programs.script();
      continue;
    }
    for (std::size_t node = 1; node < 3; ++node) {
      EXPECT_EQ(programs.state(node), programs.state(0)) << "seed " << seed << "\n" << programs.script();
    }
  }
}

}  // namespace
}  // namespace colony
