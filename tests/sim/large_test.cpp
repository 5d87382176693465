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

TEST(Hazard, whole_transaction_killed_in_the_middle_of_its_parts) {
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

}  // namespace
}  // namespace colony::sim
