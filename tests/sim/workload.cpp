#include "tests/sim/workload.h"

namespace colony::sim {
namespace {

std::string column_list(const Table& table) {
  std::string list;
  for (const Column& column : table.columns) list += (list.empty() ? "" : ", ") + quote(column.name);
  return list;
}

std::vector<const Column*> key_of(const Table& table) {
  std::vector<const Column*> key;
  for (const Column& column : table.columns) {
    if (column.key_place != 0) key.push_back(&column);
  }
  return key;
}

}  // namespace

std::string Workload::odd_value() {
  static const std::vector<std::string> kValid = {"9223372036854775807",
                                                  "-9223372036854775808",
                                                  "9007199254740993",
                                                  "9007199254740992.0",
                                                  "-0.0",
                                                  "0.0",
                                                  "0",
                                                  "9e999",
                                                  "-9e999",
                                                  "1e-320",
                                                  "0.1",
                                                  "x''",
                                                  "''",
                                                  "char(97, 0, 98)",
                                                  "'1'",
                                                  "'1.0'",
                                                  "1.0",
                                                  "' a '",
                                                  "'2024-01-02 03:04:05'",
                                                  "x'00ff00'",
                                                  "zeroblob(900)",
                                                  "'ß\xF0\x9F\x90\x9C'",
                                                  "4611686018427387905",
                                                  "'1e3'",
                                                  "9.2e18",
                                                  "-9223372036854775808.0"};
  static const std::vector<std::string> kInvalid = {"CAST(x'ff' AS TEXT)", "CAST(x'61c3' AS TEXT)",
                                                    "CAST(x'eda080' AS TEXT)"};
  return features_.invalid_text && random_.percent(20) ? random_.pick(kInvalid) : random_.pick(kValid);
}

std::string Workload::key_value(const Table& table, std::size_t column) {
  if (features_.odd_values && random_.percent(4)) return odd_value();
  if (random_.percent(1)) return "NULL";
  switch (table.columns[column].affinity) {
    case Affinity::kText:
      return random_.pick<std::string>({"'a'", "'A'", "'b'", "'B'", "'b '", "'c'", "'d'", "'E'"});
    case Affinity::kReal:
      return random_.pick<std::string>({"1", "2.5", "3.0", "4", "0.0"});
    default:
      if (table.rowid_key || random_.percent(85)) return std::to_string(random_.between(0, 8));
      return random_.pick<std::string>({"1.0", "'1'", "2.5", "x'01'", "'a'"});
  }
}

std::string Workload::value(const Table& table, std::size_t column) {
  if (table.columns[column].key_place != 0) return key_value(table, column);
  if (random_.percent(12)) return "NULL";
  if (features_.odd_values && random_.percent(12)) return odd_value();
  switch (table.columns[column].affinity) {
    case Affinity::kText:
      return random_.pick<std::string>({"'a'", "'A'", "'b'", "'b  '", "'c'", "'dd'", "'x y'"});
    case Affinity::kReal:
      return random_.pick<std::string>({"1.5", "2", "3.25", "4.0", "-1"});
    case Affinity::kNone:
      return random_.pick<std::string>({"1", "1.0", "'1'", "'a'", "2", "3", "x'01'", "5", "6"});
    default:
      return std::to_string(random_.between(0, 9));
  }
}

std::string Workload::or_clause() {
  if (random_.percent(45)) return "";
  return random_.pick<std::string>(
      {" OR REPLACE", " OR REPLACE", " OR IGNORE", " OR ABORT", " OR FAIL", " OR ROLLBACK"});
}

std::string Workload::row(const Table& table) {
  std::string values;
  for (std::size_t i = 0; i < table.columns.size(); ++i) values += (i ? ", " : "") + value(table, i);
  return "(" + values + ")";
}

std::string Workload::upsert_clause(const Table& table) {
  std::string target;
  for (const Column* column : key_of(table)) target += (target.empty() ? "" : ", ") + quote(column->name);
  if (random_.percent(30)) return " ON CONFLICT DO NOTHING";
  const std::string column = quote(any_data_column(table).name);
  if (random_.percent(20)) return " ON CONFLICT(" + target + ") DO NOTHING";
  return " ON CONFLICT(" + target + ") DO UPDATE SET " + column + " = excluded." + column +
         (random_.percent(20) ? " WHERE excluded." + column + " IS NOT NULL" : "");
}

std::string Workload::insert(const Table& table) {
  const bool upsert = random_.percent(20);
  std::string sql = "INSERT" + (upsert ? "" : or_clause()) + " INTO " + quote(table.name) + "(" + column_list(table) +
                    ") VALUES" + row(table);
  for (std::size_t more = random_.pick<std::size_t>({0, 0, 0, 1, 3}); more > 0; --more) sql += ", " + row(table);
  if (upsert) sql += upsert_clause(table);
  if (random_.percent(8)) sql += " RETURNING *";
  return sql;
}

std::string Workload::insert_select(const Table& table) {
  const Table& from = any_table();
  std::string values;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    values += (i ? ", " : "") + (random_.percent(60) ? quote(any_column(from).name) : value(table, i));
  }
  return "INSERT" + or_clause() + " INTO " + quote(table.name) + "(" + column_list(table) + ") SELECT " + values +
         " FROM " + quote(from.name) + " ORDER BY 1 LIMIT " + std::to_string(random_.between(1, 4));
}

std::string Workload::condition(const Table& table) {
  const std::size_t column = random_.below(table.columns.size());
  const std::string name = quote(table.columns[column].name);
  switch (random_.below(6)) {
    case 0:
      return " WHERE " + name + " > " + value(table, column);
    case 1:
      return " WHERE " + name + " IN (" + value(table, column) + ", " + value(table, column) + ")";
    case 2:
      return random_.percent(30) ? "" : " WHERE " + name + " IS NOT NULL";
    default: {
      const Column& key = *random_.pick(key_of(table));
      const auto at = static_cast<std::size_t>(&key - table.columns.data());
      return " WHERE " + quote(key.name) + " = " + key_value(table, at);
    }
  }
}

const Column& Workload::any_data_column(const Table& table) {
  std::vector<const Column*> columns;
  for (const Column& column : table.columns) {
    if (column.key_place == 0) columns.push_back(&column);
  }
  return columns.empty() ? table.columns.front() : *random_.pick(columns);
}

std::string Workload::update(const Table& table) {
  std::string assignments;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const bool key = table.columns[i].key_place != 0;
    if (!random_.percent(key ? 8 : 50)) continue;
    assignments += (assignments.empty() ? "" : ", ") + quote(table.columns[i].name) + " = " + value(table, i);
  }
  if (assignments.empty()) {
    const Column& column = any_data_column(table);
    assignments = quote(column.name) + " = " + value(table, static_cast<std::size_t>(&column - table.columns.data()));
  }
  return "UPDATE" + or_clause() + " " + quote(table.name) + " SET " + assignments + condition(table) +
         (random_.percent(5) ? " RETURNING " + quote(table.columns.front().name) : "");
}

std::string Workload::key_change(const Table& table) {
  const Column& key = *random_.pick(key_of(table));
  const std::string name = quote(key.name);
  const std::string text_change =
      random_.pick<std::string>({"upper(" + name + ")", "lower(" + name + ")", name + " || ' '", "trim(" + name + ")"});
  const std::string change =
      key.affinity == Affinity::kText
          ? "CASE typeof(" + name + ") WHEN 'text' THEN " + text_change + " ELSE " + name + " END"
          : random_.pick<std::string>({name + " + 1", name + " - 1", name + " * 1.0", "CAST(" + name + " AS INTEGER)"});
  return "UPDATE" + or_clause() + " " + quote(table.name) + " SET " + name + " = " + change + condition(table);
}

// Two values change places, by way of NULL: several statements.
std::string Workload::swap(const Table& table) {
  const Column& column = any_data_column(table);
  const auto at = static_cast<std::size_t>(&column - table.columns.data());
  const std::string name = quote(column.name), one = value(table, at), other = value(table, at);
  const std::string update = "UPDATE " + quote(table.name) + " SET " + name + " = ";
  if (random_.percent(30)) {
    return update + "CASE " + name + " WHEN " + one + " THEN " + other + " WHEN " + other + " THEN " + one + " ELSE " +
           name + " END";
  }
  const Column& key = *key_of(table).front();
  const auto key_at = static_cast<std::size_t>(&key - table.columns.data());
  const std::string where = " WHERE " + quote(key.name) + " = ";
  const std::string a = key_value(table, key_at), b = key_value(table, key_at);
  return update + "NULL" + where + a + "; " + update + one + where + b + "; " + update + other + where + a;
}

std::string Workload::erase(const Table& table) {
  const std::string sql = "DELETE FROM " + quote(table.name);
  return random_.percent(6) ? sql : sql + condition(table);
}

// More than one outbox chunk holds.
std::string Workload::large(const Table& table) {
  const Column& column = any_data_column(table);
  const std::string size = random_.pick<std::string>({"30000", "65000", "130000"});
  const std::string blob =
      column.affinity == Affinity::kText ? "printf('%." + size + "c', 'z')" : "zeroblob(" + size + ")";
  return "UPDATE OR IGNORE " + quote(table.name) + " SET " + quote(column.name) + " = " + blob + condition(table);
}

std::string Workload::statement() {
  const Table& table = any_table();
  const std::size_t kind = random_.below(100);
  if (kind < 45) return insert(table);
  if (kind < 70) return update(table);
  if (kind < 77) return key_change(table);
  if (kind < 81) return swap(table);
  if (kind < 92) return erase(table);
  if (kind < 94 && features_.large_transactions) return large(table);
  return insert_select(table);
}

std::vector<std::string> Workload::transaction() {
  if (random_.percent(45)) return {statement()};
  std::vector<std::string> statements = {
      random_.pick<std::string>({"BEGIN", "BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT a"})};
  const bool by_savepoint = statements.front() == "SAVEPOINT a";
  int depth = 0;
  for (std::size_t count = 1 + random_.below(6); count > 0; --count) {
    const std::size_t kind = random_.below(100);
    const std::string name = "s" + std::to_string(random_.below(3));
    if (kind < 12) {
      statements.push_back("SAVEPOINT " + name);
      ++depth;
    } else if (kind < 20 && depth > 0) {
      statements.push_back("ROLLBACK TO " + name);
    } else if (kind < 25 && depth > 0) {
      statements.push_back("RELEASE " + name);
      --depth;
    } else {
      statements.push_back(statement());
    }
  }
  if (by_savepoint) {
    if (random_.percent(20)) statements.push_back("ROLLBACK TO a");
    statements.push_back("RELEASE a");
  } else {
    statements.push_back(random_.percent(85) ? "COMMIT" : "ROLLBACK");
  }
  return statements;
}

}  // namespace colony::sim
