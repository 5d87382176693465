// What a file has in each of its two modes, and what a change of the mode does to it.
#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "replicator/store/schema_agreement.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;
using unit::put_into_mode;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k TEXT PRIMARY KEY)";
constexpr const char* kOwnObjects =
    "(SELECT type, name FROM sqlite_schema WHERE name = '__colony_capture' OR "
    "(tbl_name NOT GLOB '__colony_*' AND name GLOB '__colony_*'))";

class CaptureModes : public testing::TestWithParam<GuardKind> {
 protected:
  std::string own_objects() { return unit::rows(node_.db(), kOwnObjects); }

  MemoryNode node_{kSchema, "a", GetParam()};
  Database plain_{node_.path(), Database::Mode::kProgram};
};

INSTANTIATE_TEST_SUITE_P(Guards, CaptureModes, testing::Values(GuardKind::kIndex, GuardKind::kTriggers),
                         [](const auto& of) { return of.param == GuardKind::kIndex ? "index" : "triggers"; });

TEST_P(CaptureModes, file_is_in_session_mode_until_it_chooses) {
  EXPECT_EQ(capture_mode(node_.db()), CaptureMode::kSession);
  EXPECT_TRUE(is_guarded(node_.db()));
  node_.run("DELETE FROM __colony_meta WHERE key = 'capture'");
  EXPECT_EQ(capture_mode(node_.db()), CaptureMode::kSession);
}

TEST_P(CaptureModes, in_wal_mode_nothing_of_colonys_hangs_on_the_tables_and_anybody_writes) {
  EXPECT_NE(own_objects(), "");
  EXPECT_NE(unit::error_of(plain_, "INSERT INTO t VALUES(1, 'x')"), "");
  put_into_mode(node_.path(), CaptureMode::kWal);
  EXPECT_EQ(capture_mode(node_.db()), CaptureMode::kWal);
  EXPECT_EQ(own_objects(), "");
  // A connection that was refused looks at the schema again when it reads.
  EXPECT_EQ(plain_.query_integer("SELECT count(*) FROM t"), 0);
  EXPECT_EQ(unit::error_of(plain_, "INSERT INTO t VALUES(1, 'x'); INSERT INTO u VALUES(NULL); VACUUM"), "");
  EXPECT_TRUE(guarded_tables(node_.db()).empty());
  EXPECT_EQ(replicated_tables(node_.db()), (std::vector<std::string>{"t", "u"}));
}

TEST_P(CaptureModes, back_in_session_mode_all_is_as_it_was) {
  const std::string before = own_objects();
  put_into_mode(node_.path(), CaptureMode::kWal);
  node_.run("INSERT INTO __colony_meta(key, value) VALUES('wal_mark', 'up to there')");
  put_into_mode(node_.path(), CaptureMode::kWal);
  EXPECT_EQ(node_.db().query_integer("SELECT count(*) FROM __colony_meta WHERE key = 'wal_mark'"), 1);
  put_into_mode(node_.path(), CaptureMode::kSession);
  EXPECT_EQ(own_objects(), before);
  EXPECT_EQ(chosen_guard_kind(node_.db()), GetParam());
  EXPECT_EQ(guarded_tables(node_.db()), (std::set<std::string>{"t", "u"}));
  EXPECT_EQ(node_.db().query_integer("SELECT count(*) FROM __colony_meta WHERE key = 'wal_mark'"), 0);
  EXPECT_NE(unit::error_of(plain_, "INSERT INTO t VALUES(1, 'x')"), "");
  EXPECT_EQ(node_.captured("INSERT INTO t VALUES(1, 'x')"), "t + 1 'x'\n");
}

TEST_P(CaptureModes, a_table_that_is_gone_is_not_guarded) {
  put_into_mode(node_.path(), CaptureMode::kWal);
  plain_.execute("DROP TABLE u");
  put_into_mode(node_.path(), CaptureMode::kSession);
  EXPECT_EQ(guarded_tables(node_.db()), (std::set<std::string>{"t"}));
}

TEST_P(CaptureModes, guards_are_neither_made_nor_mended_in_wal_mode) {
  put_into_mode(node_.path(), CaptureMode::kWal);
  create_guards(node_.db(), "t");
  EXPECT_FALSE(refresh_guards(node_.db(), "t"));
  choose_guard_kind(node_.db(), GuardKind::kIndex);
  EXPECT_FALSE(refresh_guards(node_.db(), "t"));
  EXPECT_FALSE(has_guards(node_.db(), "t"));
  EXPECT_EQ(own_objects(), "");
}

TEST_P(CaptureModes, layout_of_a_new_file_has_the_mode_that_is_asked_for) {
  for (const CaptureMode mode : {CaptureMode::kSession, CaptureMode::kWal}) {
    Database db = unit::open_captured(unit::new_memory_path());
    create_layout(db, mode);
    create_layout(db, CaptureMode::kSession);  // which it has chosen already
    EXPECT_EQ(capture_mode(db), mode);
    EXPECT_EQ(unit::rows(db, kOwnObjects).empty(), mode == CaptureMode::kWal);
  }
}

TEST_P(CaptureModes, layout_is_dropped_without_the_extension_in_wal_mode) {
  put_into_mode(node_.path(), CaptureMode::kWal);
  drop_layout(plain_);
  EXPECT_EQ(unit::rows(plain_, "(SELECT name FROM sqlite_schema WHERE name GLOB '__colony*')"), "");
}

TEST_P(CaptureModes, definitions_are_what_is_agreed_on_in_wal_mode) {
  agree_on_definitions(node_.db());
  put_into_mode(node_.path(), CaptureMode::kWal);
  EXPECT_TRUE(find_schema_changes(node_.db()).empty());
  plain_.execute("DROP TABLE t; CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  EXPECT_TRUE(find_schema_changes(node_.db()).empty());
  plain_.execute("ALTER TABLE t ADD COLUMN b");
  EXPECT_EQ(find_schema_changes(node_.db()).extended, std::vector<std::string>{"t"});
  agree_on_extensions(node_.db(), {"t"});
  EXPECT_TRUE(find_schema_changes(node_.db()).empty());
  EXPECT_EQ(own_objects(), "");
  plain_.execute("CREATE UNIQUE INDEX i ON t(a); ALTER TABLE u RENAME TO v");
  const std::vector<ChangedTable> broken = find_schema_changes(node_.db()).broken;
  ASSERT_EQ(broken.size(), 2u);
  EXPECT_EQ(broken[0].what, "has changed: UNIQUE(a) is new");
  EXPECT_EQ(broken[1].what, "is gone: it was dropped");
  EXPECT_EQ(gone_tables(node_.db()), (std::map<std::string, std::string>{{"u", ""}}));
}

TEST_P(CaptureModes, file_that_is_made_nobodys_forgets_wal_mode_and_keeps_its_guards) {
  for (const CaptureMode mode : {CaptureMode::kSession, CaptureMode::kWal}) {
    put_into_mode(node_.path(), mode);
    node_.run("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('wal_mark', 'up to there')");
    NodeFile(node_.db()).forget_identity();
    EXPECT_EQ(is_guarded(node_.db()), mode == CaptureMode::kSession);
    EXPECT_EQ(capture_mode(node_.db()), CaptureMode::kSession);
    EXPECT_EQ(own_objects().empty(), mode == CaptureMode::kWal);
    EXPECT_EQ(node_.db().query_integer("SELECT count(*) FROM __colony_meta WHERE key = 'wal_mark'"), 0);
    agree_on_definitions(node_.db());
    EXPECT_TRUE(find_schema_changes(node_.db()).empty());
  }
}

}  // namespace
}  // namespace colony
