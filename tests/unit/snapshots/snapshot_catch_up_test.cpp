// What a node fetches that needs a snapshot, and what it does not fetch again.
#include "replicator/snapshots/snapshot_catch_up.h"

#include <gtest/gtest.h>

#include <fstream>

#include "replicator/snapshot_store/directory_store.h"
#include "replicator/snapshot_store/snapshot_file.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony::unit {
namespace {

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

bool go_on(std::uint64_t, std::uint64_t) { return true; }

class SnapshotCatchUpTest : public testing::Test {
 protected:
  SnapshotCatchUpTest() {
    stream_.epoch = std::string(32, 'e');
    for (MemorySidecar* node : {&a_, &b_}) {
      node->app().run("INSERT INTO __colony_meta(key, value) VALUES('left_out_known', 1); CREATE VIEW w AS SELECT 1");
    }
    settle({&a_, &b_});
  }

  void put_snapshot_of_a() {
    std::ofstream(folder_ / "copy").close();
    const SnapshotName name = make_base(a_.app().path(), folder_ / "copy", go_on);
    write_snapshot_file({name.cluster, name.epoch, name.position}, folder_ / "copy", folder_ / "packed", go_on);
    SnapshotCatalog(std::make_unique<DirectoryStore>(folder_ / "store"), name.cluster)
        .put(name, folder_ / "packed", go_on);
  }
  // SQLite alone cannot make what it has.
  void put_snapshot_that_b_refuses() {
    sqlite3_create_function(
        a_.app().db().handle(), "only_the_app_has_it", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
        [](sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 1); }, nullptr, nullptr);
    a_.app().run("CREATE INDEX i ON t(only_the_app_has_it(a))");
    cut();
    put_snapshot_of_a();
  }
  // The log is cut before b has read what a has written.
  void cut() {
    a_.app().run("INSERT INTO t VALUES(" + std::to_string(++rows_) + ", 'a', 0)");
    a_.settle();
    stream_.first = stream_.last().next();
  }
  // What becomes of a try of b to go on: why not, or empty.
  std::string try_b() {
    try {
      b_.absorb();
      return "";
    } catch (const LogCut& cut) {
      try {
        base_.take(cut);
      } catch (const Halt& halt) {
        return halt.what();
      }
      return try_b();
    }
  }

  const TemporaryFolder folder_;
  MemoryStream stream_;
  MemorySidecar a_{stream_, kSchema, "a", 1}, b_{stream_, kSchema, "b", 2};
  StateReports reports_{b_.status()};
  int fetched_ = 0;
  int rows_ = 0;
  SnapshotCatchUp base_{
      {folder_ / "b.db", a_.file().identity().cluster, {}, folder_ / "store", [this] { return ++fetched_ > 0; }},
      b_.log(),
      b_.applier(),
      reports_};
};

// Others have changed the schema while the log was cut, and so has this node.
TEST_F(SnapshotCatchUpTest, schema_of_the_snapshot_is_taken_and_pending_changes_come_on_top) {
  b_.app().run(
      "INSERT INTO t VALUES(7, 'b', 1); ALTER TABLE t ADD COLUMN own DEFAULT 5; UPDATE t SET own = 6 WHERE k = 7");
  a_.app().run(
      "ALTER TABLE t RENAME COLUMN b TO other; CREATE TABLE n(id INTEGER PRIMARY KEY, x); CREATE INDEX i ON t(a); "
      "INSERT INTO n VALUES(1, 'new')");
  a_.settle();
  cut();
  put_snapshot_of_a();
  EXPECT_EQ(try_b(), "");
  unit::settle({&a_, &b_});
  EXPECT_EQ(b_.app().rows("n"), "1 'new'\n");
  EXPECT_EQ(b_.app().rows("t"), "1 'a' 0 5\n7 'b' 1 6\n");
  EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
  const char* const schema =
      "(SELECT name, sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT LIKE '%colony%' ORDER BY 1)";
  EXPECT_EQ(unit::rows(a_.app().db(), schema), unit::rows(b_.app().db(), schema));
  EXPECT_EQ(unit::rows(a_.app().db(), "__colony_layouts"), unit::rows(b_.app().db(), "__colony_layouts"));
}

TEST_F(SnapshotCatchUpTest, snapshot_that_was_refused_is_not_fetched_again) {
  put_snapshot_that_b_refuses();
  const std::string why = try_b();
  EXPECT_NE(why.find("only_the_app_has_it"), std::string::npos) << why;
  const int fetched = fetched_;
  EXPECT_GT(fetched, 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(try_b(), why);
  EXPECT_EQ(fetched_, fetched);
}

TEST_F(SnapshotCatchUpTest, newer_snapshot_than_the_refused_one_is_fetched) {
  put_snapshot_that_b_refuses();
  EXPECT_NE(try_b(), "");
  const int fetched = fetched_;
  a_.app().run("DROP INDEX i");
  cut();
  put_snapshot_of_a();
  EXPECT_EQ(try_b(), "");
  EXPECT_GT(fetched_, fetched);
  EXPECT_EQ(b_.app().rows("t"), a_.app().rows("t"));
}

TEST_F(SnapshotCatchUpTest, nothing_is_fetched_where_no_snapshot_will_do) {
  put_snapshot_of_a();
  cut();
  const std::string why = try_b();
  EXPECT_NE(why.find("has no snapshot that goes beyond them"), std::string::npos) << why;
  EXPECT_EQ(b_.status().view().state, State::kRunning);
  EXPECT_EQ(fetched_, 0);
}

// Nodes of both modes, each of which may take the other's snapshot.
class SnapshotOfOtherMode : public SnapshotCatchUpTest, public testing::WithParamInterface<CaptureMode> {
 protected:
  SnapshotOfOtherMode() {
    for (MemorySidecar* node : {&a_, &b_}) agree_on_definitions(node->app().db());
  }
  std::string own_objects() {
    return unit::rows(b_.app().db(),
                      "(SELECT name FROM sqlite_schema WHERE name = '__colony_capture' OR (tbl_name NOT GLOB "
                      "'__colony_*' AND name GLOB '__colony_*'))");
  }
  // b is in this mode, and a in the other.
  void choose_modes() {
    const bool is_wal = GetParam() == CaptureMode::kWal;
    if (with_schema_) a_.app().run("ALTER TABLE t RENAME COLUMN b TO c; CREATE TABLE n(id INTEGER PRIMARY KEY)");
    cut();
    put_into_mode(b_.app().path(), GetParam());
    if (is_wal) b_.app().run("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('wal_mark', 'of b')");
    if (!is_wal) {
      put_into_mode(a_.app().path(), CaptureMode::kWal);
      a_.app().run("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('wal_mark', 'of a')");
    }
    put_snapshot_of_a();
  }
  void expect_taken() {
    const bool is_wal = GetParam() == CaptureMode::kWal;
    EXPECT_EQ(try_b(), "");
    EXPECT_EQ(b_.app().rows("t"), a_.app().rows("t"));
    EXPECT_EQ(capture_mode(b_.app().db()), GetParam());
    const std::string mark = b_.app().db().query_text("SELECT value FROM __colony_meta WHERE key = 'wal_mark'");
    EXPECT_NE(mark, "of a");
    EXPECT_EQ(mark == "of b", is_wal);
    EXPECT_EQ(own_objects().empty(), is_wal);
    EXPECT_EQ(guarded_tables(b_.app().db()).size(), is_wal ? 0u : replicated_tables(b_.app().db()).size());
  }

  bool with_schema_ = false;
};

INSTANTIATE_TEST_SUITE_P(Modes, SnapshotOfOtherMode, testing::Values(CaptureMode::kSession, CaptureMode::kWal),
                         [](const auto& of) { return to_string(of.param); });

TEST_P(SnapshotOfOtherMode, is_taken_and_the_file_keeps_its_mode) {
  choose_modes();
  expect_taken();
}

TEST_P(SnapshotOfOtherMode, is_taken_with_its_schema_and_the_file_keeps_its_mode) {
  with_schema_ = true;
  choose_modes();
  expect_taken();
  EXPECT_EQ(replicated_tables(b_.app().db()), (std::vector<std::string>{"n", "t"}));
}

}  // namespace
}  // namespace colony::unit
