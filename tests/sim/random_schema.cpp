#include "tests/sim/random_schema.h"

#include "tests/sim/schema.h"

namespace colony::sim {
namespace {

struct DraftColumn {
  std::string name;
  std::string type;
  std::string rest;  // what follows the type in the declaration
  bool generated = false;
};

struct DraftTable {
  std::string name;
  std::vector<DraftColumn> columns;
  std::vector<std::string> key;
  std::string constraints;  // after the columns
  std::string options;
  bool strict = false;
};

class Drafting {
 public:
  Drafting(Random& random, const SchemaFeatures& features) : random_(random), features_(features) {}

  RandomSchema draw() {
    if (random_.percent(15)) {
      schema_.utf16 = true;
      schema_.tables_sql = "PRAGMA encoding = 'UTF-16le';\n";
    }
    const std::size_t count = 1 + random_.below(3);
    for (std::size_t i = 0; i < count; ++i) add_table(i);
    if (features_.triggers) add_triggers();
    random_.shuffle(schema_.indexes_sql);
    return std::move(schema_);
  }

 private:
  std::string name(std::size_t number) {
    static const std::vector<std::string> kOdd = {"select", "b c", "q\"uote", "it's", "größe", "New", "x.y", "rowid2"};
    const std::string plain(1, static_cast<char>('a' + number));
    return features_.odd_names && random_.percent(12) ? kOdd[number % kOdd.size()] : plain;
  }

  std::string column_type(bool strict) {
    if (strict) return random_.pick<std::string>({"INTEGER", "REAL", "TEXT", "BLOB", "ANY"});
    return random_.pick<std::string>({"INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "", "", "DATETIME", "INTEGER"});
  }

  std::string collate() { return random_.pick<std::string>({"", "", " COLLATE NOCASE", " COLLATE RTRIM"}); }

  void add_key(DraftTable& table) {
    const std::string inline_conflict =
        random_.percent(5) ? random_.pick<std::string>({" ON CONFLICT REPLACE", " ON CONFLICT IGNORE"}) : "";
    const auto single = [&](const std::string& type, const std::string& rest) {
      table.columns.push_back({"k", type, rest + inline_conflict});
      table.key = {"k"};
    };
    const std::string optional_not_null = random_.percent(50) ? " NOT NULL" : "";
    switch (random_.below(9)) {
      case 0:
      case 1:
        return single("INTEGER", " PRIMARY KEY");
      case 2:
        table.columns.push_back({"k", "INTEGER", " PRIMARY KEY AUTOINCREMENT"});
        table.key = {"k"};
        return;
      case 3:
        return single("INTEGER", optional_not_null + " PRIMARY KEY DESC");
      case 4:
        return single("TEXT", collate() + optional_not_null + " PRIMARY KEY");
      case 5:
        return single(table.strict ? "ANY" : "", optional_not_null + " PRIMARY KEY");
      case 6:
        return single(table.strict ? "REAL" : random_.pick<std::string>({"REAL", "NUMERIC"}), " PRIMARY KEY");
      default:
        table.columns.push_back({"k1", "INTEGER", optional_not_null});
        table.columns.push_back({"k2", "TEXT", collate() + optional_not_null});
        table.key = random_.percent(50) ? std::vector<std::string>{"k1", "k2"} : std::vector<std::string>{"k2", "k1"};
        table.constraints += ", PRIMARY KEY(" + table.key[0] + ", " + table.key[1] + ")";
    }
  }

  static void refuse_null_keys(DraftTable& table) {
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      std::string& rest = table.columns[i].rest;
      if (rest.find("NOT NULL") == rest.npos) rest += " NOT NULL";
    }
  }

  void add_columns(DraftTable& table) {
    const std::size_t count = 1 + random_.below(4);
    for (std::size_t i = 0; i < count; ++i) {
      DraftColumn column{name(i), column_type(table.strict), ""};
      if (column.type == "TEXT") column.rest += collate();
      if (random_.percent(10)) column.rest += " DEFAULT " + random_.pick<std::string>({"1", "'x'", "NULL"});
      if (table.strict) column.rest = column.type == "TEXT" ? column.rest.substr(0, column.rest.find(" DEFAULT")) : "";
      if (random_.percent(6)) column.rest += " CHECK(" + quote(column.name) + " IS NOT 13)";
      table.columns.push_back(column);
    }
    if (!random_.percent(20)) return;
    const std::string base = quote(table.columns.back().name);
    DraftColumn generated{"g", table.strict ? "ANY" : "",
                          " AS (coalesce(" + base + ", 'none'))" + random_.pick<std::string>({"", " STORED"}), true};
    // In the midst of the others, for whoever counts columns.
    const auto at = table.columns.end() - static_cast<std::ptrdiff_t>(random_.below(2));
    table.columns.insert(at, generated);
  }

  void add_indexes(DraftTable& table) {
    const std::size_t count = random_.pick<std::size_t>({0, 1, 1, 2, 3});
    std::vector<std::string> candidates;
    for (const DraftColumn& column : table.columns) candidates.push_back(column.name);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string first =
          quote(candidates[table.key.size() + random_.below(candidates.size() - table.key.size())]);
      const std::string second = quote(random_.pick(candidates));
      std::string sql = "CREATE UNIQUE INDEX " + quote(table.name + "_u" + std::to_string(i)) + " ON " +
                        quote(table.name) + "(" + first + collate();
      if (first != second && random_.percent(30)) sql += ", " + second;
      sql += ")";
      if (random_.percent(15)) sql += " WHERE " + quote(table.columns[table.key.size()].name) + " IS NOT NULL";
      if (sql.find("WHERE \"g\"") != std::string::npos) continue;
      if (random_.percent(12) && first != "\"g\"") {
        sql = "CREATE UNIQUE INDEX " + quote(table.name + "_x" + std::to_string(i)) + " ON " + quote(table.name) +
              "(coalesce(" + first + ", 'none'))";
      }
      schema_.indexes_sql.push_back(sql);
    }
    if (random_.percent(8) && !table.columns.back().generated) {
      table.constraints += ", UNIQUE(" + quote(table.columns.back().name) + ")" +
                           random_.pick<std::string>({"", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE",
                                                      " ON CONFLICT ROLLBACK", " ON CONFLICT FAIL"});
    }
  }

  void add_foreign_key(DraftTable& table) {
    if (!features_.foreign_keys || tables_.empty() || !random_.percent(50)) return;
    const DraftTable& parent = random_.pick(tables_);
    if (parent.key.size() != 1) return;
    const auto action = [&] {
      return random_.pick<std::string>({"CASCADE", "CASCADE", "SET NULL", "NO ACTION", "RESTRICT"});
    };
    DraftColumn column{"parent", table.strict ? "ANY" : "", " REFERENCES " + quote(parent.name) + "(k)"};
    column.rest += " ON DELETE " + action() + " ON UPDATE " + action();
    if (random_.percent(40)) column.rest += " DEFERRABLE INITIALLY DEFERRED";
    table.columns.push_back(column);
  }

  void add_table(std::size_t number) {
    DraftTable table;
    table.name = number == 1 && features_.odd_names && random_.percent(20) ? "the \"second\" table"
                                                                           : "t" + std::to_string(number);
    table.strict = random_.percent(15);
    add_key(table);
    add_columns(table);
    add_foreign_key(table);
    if (features_.unique_indexes) add_indexes(table);
    const bool autoincrement = table.columns[0].rest.find("AUTOINCREMENT") != std::string::npos;
    if (table.strict) table.options = " STRICT";
    if (!autoincrement && random_.percent(30))
      table.options += table.options.empty() ? " WITHOUT ROWID" : ", WITHOUT ROWID";
    if (!features_.null_keys) refuse_null_keys(table);
    std::string columns;
    for (const DraftColumn& column : table.columns) {
      columns += (columns.empty() ? "" : ", ") + quote(column.name) + (column.type.empty() ? "" : " " + column.type) +
                 column.rest;
    }
    schema_.tables_sql +=
        "CREATE TABLE " + quote(table.name) + "(" + columns + table.constraints + ")" + table.options + ";\n";
    tables_.push_back(std::move(table));
  }

  void add_triggers() {
    if (random_.percent(40)) add_audit();
    if (random_.percent(25) && tables_.size() > 1) add_feedback();
    if (random_.percent(15)) {
      const DraftTable& table = random_.pick(tables_);
      schema_.tables_sql += "CREATE TRIGGER \"veto\" BEFORE UPDATE ON " + quote(table.name) + " WHEN new." +
                            quote(table.columns.back().name) + " IS 5 BEGIN SELECT RAISE(" +
                            random_.pick<std::string>({"IGNORE", "ABORT, 'veto'", "FAIL, 'veto'", "ROLLBACK, 'veto'"}) +
                            "); END;\n";
    }
  }

  // Each insert leaves a row under a number of the node's own.
  void add_audit() {
    const DraftTable& table = random_.pick(tables_);
    schema_.audited.push_back(table.name);
    schema_.tables_sql +=
        "CREATE TABLE audit(node TEXT, n INTEGER, what, PRIMARY KEY(node, n));\n"
        "CREATE TRIGGER \"audit trigger\" AFTER INSERT ON " +
        quote(table.name) +
        " BEGIN INSERT INTO audit VALUES(colony_node(), (SELECT coalesce(max(n), 0) + 1 FROM audit WHERE node = "
        "colony_node()), new." +
        quote(table.key[0]) + "); END;\n";
  }

  static const std::string& first_data_column(const DraftTable& table) {
    for (std::size_t i = table.key.size(); i < table.columns.size(); ++i) {
      if (!table.columns[i].generated) return table.columns[i].name;
    }
    return table.columns[0].name;
  }

  // Changes of one table change another, and delete from it.
  void add_feedback() {
    const DraftTable& from = tables_[0];
    const DraftTable& to = tables_[1];
    schema_.tables_sql += "CREATE TRIGGER feedback AFTER UPDATE ON " + quote(from.name) + " BEGIN UPDATE OR IGNORE " +
                          quote(to.name) + " SET " + quote(first_data_column(to)) + " = new." +
                          quote(first_data_column(from)) + " WHERE " + quote(to.key[0]) + " = new." +
                          quote(from.key[0]) + "; END;\n";
    if (!random_.percent(50)) return;
    schema_.tables_sql += "CREATE TRIGGER sweep AFTER DELETE ON " + quote(from.name) + " BEGIN DELETE FROM " +
                          quote(to.name) + " WHERE " + quote(to.key[0]) + " = old." + quote(from.key[0]) + "; END;\n";
  }

  Random& random_;
  const SchemaFeatures& features_;
  RandomSchema schema_;
  std::vector<DraftTable> tables_;
};

}  // namespace

RandomSchema random_schema(Random random, const SchemaFeatures& features) { return Drafting(random, features).draw(); }

}  // namespace colony::sim
