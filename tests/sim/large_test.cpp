// The hazard whole-transaction: a transaction is atomic on every node, however
// large it is. On real files in WAL mode, with a reader of its own thread.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)";
constexpr const char* kInsert100000 =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
    "INSERT INTO t SELECT i, hex(i * 7919) FROM n";

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "colony-sim-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Looks at the table again and again, and notes how many rows it ever saw.
class Reader {
 public:
  explicit Reader(const std::string& path)
      : thread_([this, path] {
          Database db(path, Database::Mode::kReadOnly);
          while (!done_) seen_.insert(db.query_integer("SELECT count(*) FROM t"));
        }) {}
  std::set<std::int64_t> seen() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
    return seen_;
  }
  ~Reader() { seen(); }

 private:
  std::atomic<bool> done_{false};
  std::set<std::int64_t> seen_;
  std::thread thread_;
};

TEST(Hazard, whole_transaction) {
  const Folder folder;
  SmallColony colony(kTable, {"a", "b"}, folder.path());
  colony.do_not_judge_rows();
  colony.sql("a", kInsert100000);
  Reader reader(colony.path("b"));
  ASSERT_EQ(colony.settle(), "");
  const std::set<std::int64_t> seen = reader.seen();
  EXPECT_TRUE(seen.size() <= 2 && (seen.count(0) || seen.count(100000))) << seen.size() << " different counts";
  EXPECT_EQ(colony.rows("b", "SELECT count(*), count(DISTINCT x) FROM t"), Rows{"100000|100000"});
}

TEST(Hazard, whole_transaction_that_is_rebased) {
  const Folder folder;
  SmallColony colony(kTable, {"a", "b"}, folder.path());
  colony.do_not_judge_rows();
  colony.sql("a", kInsert100000);
  colony.sql("b", "INSERT INTO t VALUES(77777, 'b')");  // in the midst of them
  colony.publish("b");
  Reader reader(colony.path("a"));
  ASSERT_EQ(colony.settle(), "");
  for (const std::int64_t count : reader.seen()) EXPECT_EQ(count, 100000);
  EXPECT_EQ(colony.conflicts("b").size(), 1u);
}

TEST(Hazard, whole_transaction_killed_in_the_middle_of_its_fragments) {
  SmallColony colony(kTable);
  colony.do_not_judge_rows();
  colony.log().set_entry_bytes_max(kEntryBytesMin);
  colony.restart("a");
  colony.apply("a");
  colony.sql("a", kInsert100000);
  for (int i = 0; i < 5; ++i) colony.node("a").publisher().step();
  colony.crash("a");
  colony.apply("b");
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM t"), Rows{"0"});
  EXPECT_NE(colony.rows("b", "SELECT count(*) FROM __colony_parts"), Rows{"0"});
  colony.restart("b");
  colony.start("a");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM t"), Rows{"100000"});
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM __colony_parts"), Rows{"0"});
}

// A transaction of some twenty chunks, each of which is a message: 2,000 rows.
class LargeColony : public SmallColony {
 public:
  explicit LargeColony(const std::vector<std::string>& names = {"a", "b"}, const std::string& schema = kTable)
      : SmallColony(schema, names), names_(names) {
    log().set_entry_bytes_max(kEntryBytesMin);
    for (const std::string& name : names_) {
      restart(name);
      apply(name);
    }
  }

  static std::string insert(int from, const std::string& text) {
    return "WITH RECURSIVE n(i) AS (SELECT " + std::to_string(from) + " UNION ALL SELECT i + 1 FROM n WHERE i < " +
           std::to_string(from + 1999) + ") INSERT INTO t SELECT i, '" + text + "' || i || hex(zeroblob(250)) FROM n";
  }
  // The node's sidecar sends the next `count` messages, and no more.
  void send(const std::string& name, int count) {
    for (int i = 0; i < count; ++i) node(name).publisher().step();
  }
  std::string parts(const std::string& name) {
    return rows(name,
                "SELECT coalesce(group_concat(origin || ' ' || n), '') FROM (SELECT origin, count(*) AS n FROM "
                "__colony_parts GROUP BY origin ORDER BY origin)")
        .front();
  }
  std::string count(const std::string& name) { return rows(name, "SELECT count(*) FROM t").front(); }

 private:
  std::vector<std::string> names_;
};

TEST(Hazard, large_transactions_of_two_origins_come_interleaved) {
  LargeColony colony({"a", "b", "c"});
  colony.sql("a", LargeColony::insert(1, "a"));
  colony.sql("b", LargeColony::insert(1001, "b"));  // half of them the same rows
  colony.sql("c", "INSERT INTO t VALUES(1500, 'c')");
  for (int i = 0; i < 6; ++i) {
    colony.send("a", 1);
    colony.send("b", 1);
    colony.sql("c", "UPDATE t SET x = x || '!' WHERE k = 1500");
    ASSERT_EQ(colony.publish("c"), "");
    ASSERT_EQ(colony.apply("c"), "");
    EXPECT_EQ(colony.count("c"), "1");
  }
  EXPECT_EQ(colony.parts("c"), "a 6,b 6");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.count("c"), "3000");
  EXPECT_EQ(colony.parts("c"), "");
}

TEST(Hazard, reader_that_dies_after_every_part_puts_them_together) {
  LargeColony colony;
  colony.sql("a", LargeColony::insert(1, "a"));
  for (int i = 0; i < 40 && colony.count("b") == "0"; ++i) {
    colony.send("a", 1);
    ASSERT_EQ(colony.apply("a"), "");  // what it has sent comes back
    ASSERT_EQ(colony.apply("b"), "");
    colony.restart("b");
  }
  EXPECT_EQ(colony.count("b"), "2000");
  EXPECT_EQ(colony.parts("b"), "");
  ASSERT_EQ(colony.settle(), "");
}

TEST(Hazard, origin_that_goes_away_in_the_middle_comes_back) {
  LargeColony colony({"a", "b", "c"});
  colony.sql("a", LargeColony::insert(1, "a"));
  colony.send("a", 7);
  colony.crash("a");
  for (int i = 0; i < 3; ++i) {
    colony.sql("b", "INSERT INTO t VALUES(" + std::to_string(5000 + i) + ", 'b')");
    ASSERT_EQ(colony.publish("b"), "");
    ASSERT_EQ(colony.apply("b"), "");
    ASSERT_EQ(colony.apply("c"), "");
  }
  EXPECT_EQ(colony.count("c"), "3");
  EXPECT_EQ(colony.parts("c"), "a 7");
  colony.sql("a", "INSERT INTO t VALUES(6000, 'while nobody ships')");
  colony.restart("c");
  colony.start("a");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.count("c"), "2004");
}

TEST(Hazard, large_transaction_under_way_is_undone_and_redone_around_an_entry) {
  LargeColony colony;
  colony.sql("b", LargeColony::insert(1, "before"));
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET x = 'a' || x");
  colony.sql("a", "UPDATE t SET x = 'A' || x WHERE k < 10");  // on top of it
  colony.sql("b", "UPDATE t SET x = 'b' || x WHERE k IN (5, 1999); DELETE FROM t WHERE k = 1000");
  colony.send("a", 5);
  ASSERT_EQ(colony.publish("b"), "");
  ASSERT_EQ(colony.apply("a"), "");
  // What it now changes is no longer what it says: that is kept in slices.
  EXPECT_NE(colony.rows("a", "SELECT count(*) > 5 FROM __colony_outbox WHERE effect IS NOT NULL"), Rows{"0"});
  colony.restart("a");
  colony.sql("b", "UPDATE t SET x = 'again' WHERE k = 6");
  ASSERT_EQ(colony.publish("b"), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.count("a"), "1999");
  EXPECT_GE(colony.conflicts("a").size(), 4u);
}

TEST(Hazard, values_that_change_places_in_a_large_transaction) {
  LargeColony colony({"a", "b"}, "CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE, y)");
  colony.sql("a",
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) "
             "INSERT INTO t SELECT i, i, hex(zeroblob(250)) FROM n");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "BEGIN; UPDATE t SET x = -x; UPDATE t SET x = 1501 + x, y = y || x; COMMIT");
  colony.sql("b", "INSERT INTO t VALUES(7000, 1501, 'b'); UPDATE t SET x = 8000 WHERE k = 3");
  colony.send("a", 5);
  ASSERT_EQ(colony.publish("b"), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT count(*), sum(k + x = 1501) FROM t"), Rows{"1501|1500"});
}

}  // namespace
}  // namespace colony::sim
