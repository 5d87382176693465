// A database with tables of all kinds, and random programs that write to it with nothing of
// Colony's: rows of every form, blobs in place, checkpoints, vacuums.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony::unit {

class RandomHistory {
 public:
  // Makes the database, with rows, in WAL mode.
  RandomHistory(const std::string& path, std::uint32_t seed);

  // Whether programs may change the schema, and VACUUM, which looks like that.
  bool changes_schema = false;

  // Their connections.
  const std::vector<std::unique_ptr<Database>>& programs() const { return programs_; }

  // One transaction of one of the programs, or what else they do. A statement that fails is left
  // out.
  void step();

  static const std::vector<std::string>& tables();
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(engine_() % n); }
  const std::string& last() const { return last_; }

 private:
  void transaction(Database& program);
  std::string statement();
  std::string extra();
  std::vector<std::string> schema_statements();
  void write_blob(Database& program);
  void checkpoint(Database& program);
  std::string key();
  std::string value();
  std::string text();
  bool run(Database& program, const std::string& sql);
  // Until one fails.
  void run_all(Database& program, const std::vector<std::string>& statements);

  std::mt19937 engine_;
  std::string last_;  // what was done last
  std::vector<std::unique_ptr<Database>> programs_;
};

}  // namespace colony::unit
