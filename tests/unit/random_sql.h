// Random statements over a small table, from a seed: the same on every machine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace colony::unit {

// Tables `t` with columns k, u, v and w, in which keys and unique values collide
// in as many ways as SQLite knows.
inline const std::vector<std::string>& random_schemas() {
  static const std::vector<std::string> schemas = {
      "CREATE TABLE t(k INTEGER PRIMARY KEY, u, v, w)",
      "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, v, w)",
      "CREATE TABLE t(k PRIMARY KEY NOT NULL, u UNIQUE, v UNIQUE, w) WITHOUT ROWID",
      "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, u TEXT COLLATE NOCASE UNIQUE, v, w)",
      "CREATE TABLE t(k INTEGER PRIMARY KEY, u, v, w, UNIQUE(u, v))",
      "CREATE TABLE t(k NOT NULL, u, v NOT NULL, w REAL, PRIMARY KEY(v, k)); CREATE UNIQUE INDEX i ON t(u) WHERE w > 0",
      "CREATE TABLE t(k TEXT COLLATE RTRIM PRIMARY KEY NOT NULL, u, v, w, UNIQUE(v, k)); "
      "CREATE UNIQUE INDEX i ON t(lower(u)); CREATE UNIQUE INDEX j ON t(w COLLATE NOCASE)",
  };
  return schemas;
}

// How many seeds to try: `usual`, times what COLONY_SEEDS says in the environment.
inline std::uint32_t seeds(std::uint32_t usual) {
  const char* const times = std::getenv("COLONY_SEEDS");
  return usual * static_cast<std::uint32_t>(times != nullptr ? std::max(1, std::atoi(times)) : 1);
}

class RandomSql {
 public:
  explicit RandomSql(std::uint32_t seed) : engine_(seed) {}

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(engine_() % n); }

  // It may fail: then it changes nothing.
  std::string statement() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        return "INSERT" + conflict_clause() + " INTO t(k, u, v, w) VALUES(" + key() + "," + value() + "," + value() +
               "," + value() + ")";
      case 3:
      case 4:
        return "UPDATE" + conflict_clause() + " t SET " + column() + " = " + value() + " WHERE k = " + key();
      case 5:
        return "UPDATE" + conflict_clause() + " t SET k = " + key() + ", v = " + value() + " WHERE k = " + key();
      case 6:
        return "UPDATE" + conflict_clause() + " t SET " + column() + " = " + column();
      default:
        return "DELETE FROM t WHERE " + (below(4) == 0 ? column() + " = " + value() : "k = " + key());
    }
  }

  std::vector<std::string> statements(std::uint32_t count_max) {
    std::vector<std::string> all(1 + below(count_max));
    for (std::string& one : all) one = statement();
    return all;
  }

 private:
  template <std::size_t N>
  std::string one_of(const char* const (&choices)[N]) {
    return choices[below(N)];
  }
  std::string conflict_clause() { return one_of({"", "", " OR IGNORE", " OR REPLACE", " OR REPLACE", " OR FAIL"}); }
  std::string column() { return one_of({"u", "v", "w"}); }
  std::string key() { return std::to_string(1 + below(5)); }
  std::string value() { return one_of({"1", "1.0", "2", "'a'", "'A'", "'a '", "'b'", "NULL", "x'61'", "-1"}); }

  std::mt19937 engine_;
};

// One transaction; statements that fail are ignored.
template <class Execute>
void run_transaction(const std::vector<std::string>& statements, Execute&& execute) {
  execute("BEGIN");
  for (const std::string& statement : statements) execute(statement);
  execute("COMMIT");
}

}  // namespace colony::unit
