// The tables that are measured, what an app does to their rows, and the app.
//
// The rows that exist are kept in a queue: an INSERT adds to its end, an UPDATE
// takes the front one and puts it to the end, a DELETE takes the front one. So a
// transaction never touches a row twice, and as keys are random the rows lie
// anywhere in the table.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony::bench {

enum class Verb : std::uint8_t { kInsert, kUpdate, kDelete };
inline constexpr Verb kVerbs[] = {Verb::kInsert, Verb::kUpdate, Verb::kDelete};

struct Cell {
  ValueType type = ValueType::kNull;
  std::int64_t integer = 0;
  std::string bytes;
};

struct RowChange {
  Verb verb = Verb::kInsert;
  std::vector<Cell> parameters;  // ?1 is the key
};

struct TableKind {
  const char* name;
  const char* description;
  const char* create;
  const char* statements[3];  // by Verb
  const char* columns[5];
  const char* blob;  // which of them, if any, JSON cannot hold as it is
  std::vector<Cell> (*row)(std::mt19937_64& random, std::int64_t number);
};

// Metadata of stored objects: a text key, a unique hash, an index to list by owner.
const TableKind& objects_table();
// As small as a table gets: an integer key and a text.
const TableKind& notes_table();

inline constexpr int kRowsAtStart = 10'000;

class Workload {
 public:
  explicit Workload(const TableKind& kind) : kind_(kind) {}

  RowChange next(Verb verb);
  std::vector<RowChange> next(Verb verb, std::size_t count);

 private:
  const TableKind& kind_;
  std::mt19937_64 random_{1};
  std::int64_t number_ = 0;
  std::deque<Cell> keys_;
};

// An app's connection: WAL, synchronous=NORMAL, prepared statements.
class App {
 public:
  // Loads `extension` if it is given.
  App(const std::string& path, const TableKind& kind, const std::optional<std::string>& extension = std::nullopt);

  Database& database() { return db_; }

  // Each transaction has that many rows (the last may have fewer); one row is an
  // autocommit statement.
  void execute(const std::vector<RowChange>& changes, std::size_t rows_per_transaction);

  // From now on the app itself writes what it changes into a table `own_outbox`, in
  // the same transaction: the least that any way of noting changes in the file costs.
  void keep_own_outbox();

  // What autocheckpoints have left: into the database, so that the next writer
  // begins the write-ahead log anew.
  void checkpoint();

 private:
  void execute(const RowChange& change);

  Database db_;
  Statement statements_[3];
  Statement begin_, commit_;
  Statement insert_own_outbox_;  // if it keeps one
  std::string noted_;            // of the transaction so far
};

// A new file with the table and kRowsAtStart rows, from `workload`.
void create_file(const std::string& path, const TableKind& kind, const std::vector<RowChange>& rows);
// The same with so many rows, which need not fit into memory.
void create_file(const std::string& path, const TableKind& kind, Workload& workload, std::int64_t rows);

}  // namespace colony::bench
