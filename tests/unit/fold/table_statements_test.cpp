// Prepared statements are kept within a bound, whatever comes.
#include "replicator/fold/table_statements.h"

#include <gtest/gtest.h>

#include "replicator/fold/fold.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryFold;

constexpr int kColumns = 14;

std::string wide_table(const std::string& name) {
  std::string sql = "CREATE TABLE " + name + "(k INTEGER PRIMARY KEY";
  for (int i = 0; i < kColumns; ++i) sql += ", c" + std::to_string(i);
  return sql + ");";
}

// An UPDATE of the columns whose bits are set.
std::string update_of(const std::string& name, unsigned columns) {
  Change change{Operation::kUpdate, std::vector<Value>(kColumns + 1), std::vector<Value>(kColumns + 1)};
  change.before[0] = Value::of_integer(1);
  for (std::size_t i = 0; i < kColumns; ++i) {
    if ((columns >> i & 1) == 0) continue;
    change.before[i + 1] = Value::null();
    change.after[i + 1] = Value::of_integer(static_cast<std::int64_t>(i));
  }
  std::string bytes;
  ChangesetWriter writer(bytes);
  ChangesetTable table{name, std::vector<std::uint8_t>(kColumns + 1, 0)};
  table.key[0] = 1;
  writer.begin_table(table);
  writer.add(change);
  return bytes;
}

TEST(TableStatements, as_many_shapes_of_updates_as_there_may_be_take_no_more_memory) {
  MemoryFold file(wide_table("t"), "INSERT INTO t(k) VALUES(1)");
  Conflicts conflicts;
  const WriteTransaction transaction(file.db());
  const auto apply = [&](unsigned first, unsigned last) {
    for (unsigned columns = first; columns < last; ++columns) file.fold().apply(update_of("t", columns), conflicts);
  };
  apply(1, 200);
  const std::size_t kept = file.fold().kept_statements().statements();
  const sqlite3_int64 before = sqlite3_memory_used();
  apply(200, 1u << kColumns);
  EXPECT_LE(file.fold().kept_statements().statements(), kept);
  EXPECT_LE(kept, TableStatements::kUpdatesMax + 8);
  EXPECT_LT(sqlite3_memory_used() - before, 1 << 20);
}

TEST(TableStatements, as_many_tables_as_there_may_be_stay_within_the_bound) {
  constexpr int kTables = 150;
  std::string schema, rows;
  for (int i = 0; i < kTables; ++i) {
    schema += wide_table("t" + std::to_string(i));
    rows += "INSERT INTO t" + std::to_string(i) + "(k) VALUES(1);";
  }
  MemoryFold file(schema, rows);
  Conflicts conflicts;
  const WriteTransaction transaction(file.db());
  std::size_t most = 0;
  for (unsigned columns = 1; columns < 30; ++columns) {
    for (int i = 0; i < kTables; ++i) {
      file.fold().apply(update_of("t" + std::to_string(i), columns), conflicts);
      most = std::max(most, file.fold().kept_statements().bytes());
    }
  }
  EXPECT_LE(most, StatementCache::kBytesMax);
  EXPECT_GT(most, StatementCache::kBytesMax / 2);  // it is the bound that held
}

TEST(StatementCache, gives_up_what_was_used_least_lately) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY)", "");
  StatementCache cache(file.db(), 1);  // room for one at a time
  StatementCache::Place places[3];
  int prepared = 0;
  const auto use = [&](std::size_t i) {
    Statement& statement = cache.use(places[i], [&] {
      ++prepared;
      return "SELECT " + std::to_string(i);
    });
    EXPECT_TRUE(statement.step());
    EXPECT_EQ(statement.integer(0), static_cast<std::int64_t>(i));
    statement.reset();
  };
  for (const std::size_t i : {0u, 0u, 1u, 1u, 2u, 0u}) use(i);
  EXPECT_EQ(prepared, 4);
  EXPECT_EQ(cache.statements(), 1u);

  StatementCache large(file.db());
  StatementCache::Place more[3];
  prepared = 0;
  for (const std::size_t i : {0u, 1u, 2u, 0u, 1u, 2u}) {
    large.use(more[i], [&] {
      ++prepared;
      return std::string("SELECT 1");
    });
  }
  EXPECT_EQ(prepared, 3);
  EXPECT_EQ(large.statements(), 3u);
}

}  // namespace
}  // namespace colony
