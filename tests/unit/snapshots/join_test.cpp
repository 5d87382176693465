// A new node's file, made from a snapshot of a node in either mode.
#include "replicator/snapshots/join.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "replicator/snapshot_store/directory_store.h"
#include "replicator/snapshot_store/snapshot_file.h"
#include "replicator/snapshots/restore.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/store/schema_agreement.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony::unit {
namespace {

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k TEXT PRIMARY KEY)";

struct Modes {
  CaptureMode of_snapshot, of_new_node;
};

class JoinModes : public testing::TestWithParam<Modes> {
 protected:
  JoinModes() {
    stream_.epoch = std::string(32, 'e');
    agree_on_definitions(a_.app().db());
    a_.app().run(
        "INSERT INTO __colony_meta(key, value) VALUES('left_out_known', 1); UPDATE __colony_meta SET value = 6 WHERE "
        "key = 'format'; INSERT INTO t VALUES(1, 'x'); INSERT INTO u VALUES('y')");
    a_.settle();
    put_into_mode(a_.app().path(), GetParam().of_snapshot);
    a_.app().run("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('wal_mark', 'of a')");
    std::ofstream(folder_ / "copy").close();
    const SnapshotName name = make_base(a_.app().path(), folder_ / "copy", go_on);
    write_snapshot_file({name.cluster, name.epoch, name.position}, folder_ / "copy", folder_ / "packed", go_on);
    catalog_.put(name, folder_ / "packed", go_on);
  }
  static bool go_on(std::uint64_t, std::uint64_t) { return true; }

  const TemporaryFolder folder_;
  MemoryStream stream_;
  MemorySidecar a_{stream_, kSchema, "a", 1};
  MemoryLog log_{stream_, "b"};
  SnapshotCatalog catalog_{std::make_unique<DirectoryStore>(folder_ / "store"), "test"};
};

INSTANTIATE_TEST_SUITE_P(Modes, JoinModes,
                         testing::Values(Modes{CaptureMode::kSession, CaptureMode::kSession},
                                         Modes{CaptureMode::kSession, CaptureMode::kWal},
                                         Modes{CaptureMode::kWal, CaptureMode::kSession},
                                         Modes{CaptureMode::kWal, CaptureMode::kWal}),
                         [](const auto& of) {
                           return std::string(to_string(of.param.of_snapshot)) + "_to_" +
                                  to_string(of.param.of_new_node);
                         });

TEST_P(JoinModes, new_node_has_the_mode_that_it_was_told_and_goes_on) {
  const std::string path = folder_ / "b.db";
  join({path, "test", "b", GetParam().of_new_node}, log_, catalog_, [](const JoinProgress&) { return true; });
  MemoryNode app{ExistingFile{path}};
  EXPECT_EQ(capture_mode(app.db()), GetParam().of_new_node);
  EXPECT_EQ(is_guarded(app.db()), GetParam().of_new_node == CaptureMode::kSession);
  EXPECT_EQ(app.db().query_text("SELECT value FROM __colony_meta WHERE key = 'wal_mark'"), "");
  EXPECT_EQ(app.db().query_integer("SELECT value FROM __colony_meta WHERE key = 'format'"), kFileFormat);
  EXPECT_TRUE(find_schema_changes(app.db()).empty());
  const bool is_session = GetParam().of_new_node == CaptureMode::kSession;
  EXPECT_EQ(app.captured("INSERT INTO t VALUES(2, 'z')"), is_session ? "t + 2 'z'\n" : "");
  Database plain(path, Database::Mode::kProgram);
  EXPECT_EQ(error_of(plain, "INSERT INTO u VALUES('plain')").empty(), !is_session);

  put_into_mode(a_.app().path(), CaptureMode::kSession);
  a_.app().run("INSERT INTO t VALUES(3, 'of a'); CREATE TABLE later(id INTEGER PRIMARY KEY)");
  a_.app().run("ALTER TABLE t ADD COLUMN b DEFAULT 5; ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE u RENAME TO v");
  EXPECT_EQ(a_.app().rows("v"), "'y'\n");
  a_.app().run("ALTER TABLE t DROP COLUMN b; CREATE UNIQUE INDEX i ON t(c)");
  MemorySidecar b(stream_, app, "b");
  settle({&a_, &b});
  EXPECT_EQ(app.rows("t"), "1 'x'\n2 'z'\n3 'of a'\n");
  EXPECT_EQ(replicated_tables(app.db()), (std::vector<std::string>{"later", "t", "v"}));
  EXPECT_EQ(guarded_tables(app.db()).size(), is_session ? 3u : 0u);
  EXPECT_EQ(app.db().query_integer("SELECT count(*) FROM sqlite_schema WHERE tbl_name NOT GLOB '__colony_*' AND name "
                                   "GLOB '__colony_*'"),
            is_session ? 12 : 0);
  EXPECT_TRUE(find_schema_changes(app.db()).empty());
}

// The log goes on with rows and a schema change, which is made in the snapshot.
TEST_P(JoinModes, snapshot_is_replayed_and_restored) {
  put_into_mode(a_.app().path(), CaptureMode::kSession);
  a_.app().run("INSERT INTO t VALUES(3, 'later'); CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n VALUES(1)");
  a_.settle();
  const std::string to = folder_ / "restored.db";
  restore({to, std::nullopt, std::nullopt}, &log_, catalog_, go_on);
  Database plain(to, Database::Mode::kProgram);
  EXPECT_EQ(rows(plain, "t"), "1 'x'\n3 'later'\n");
  EXPECT_EQ(rows(plain, "n"), "1\n");
  EXPECT_EQ(rows(plain, "(SELECT name FROM sqlite_schema WHERE name GLOB '__colony*')"), "");
  EXPECT_EQ(error_of(plain, "INSERT INTO t VALUES(4, 'free')"), "");
}

}  // namespace
}  // namespace colony::unit
