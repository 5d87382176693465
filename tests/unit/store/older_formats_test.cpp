// Files that older versions of Colony have made (tests/fixtures) are brought up to date, and
// nothing of what they hold is lost.
#include <gtest/gtest.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "replicator/membership/enrollment.h"
#include "replicator/membership/file_claim.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/schema_agreement.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/guard_index.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

using unit::MemoryNode;
using unit::MemorySidecar;
using unit::MemoryStream;

// As the fixtures were before two transactions of theirs, which wait to be sent.
constexpr const char* kSchema =
    "CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER DEFAULT 1, code TEXT UNIQUE);"
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, body); CREATE TABLE keyless(a);"
    "INSERT INTO items VALUES('one', 1, 'a'), ('two', 2, 'b'); INSERT INTO notes VALUES(1, 'first')";

class OlderFormat : public testing::TestWithParam<int> {
 protected:
  OlderFormat() {
    std::ifstream file(std::string(COLONY_FIXTURES) + "/format-" + std::to_string(GetParam()) + ".db.zst",
                       std::ios::binary);
    const std::string packed{std::istreambuf_iterator<char>(file), {}};
    std::string bytes(1u << 20, '\0');
    const std::size_t size = ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
    if (ZSTD_isError(size)) throw std::runtime_error(ZSTD_getErrorName(size));
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(size));
  }
  std::int64_t format(Database& db) { return db.query_integer("SELECT value FROM __colony_meta WHERE key = 'format'"); }

  unit::TemporaryFolder folder_;
  std::string path_ = folder_ / "app.db";
};

TEST_P(OlderFormat, is_what_the_fixture_has_and_can_be_looked_at_as_it_is) {
  Database db = open_database(path_, Database::Mode::kReadOnly);
  EXPECT_EQ(format(db), GetParam());
  NodeFile file(db);
  EXPECT_EQ(file.identity().node, "a");
  EXPECT_EQ(file.pending_transactions(), 2);
  EXPECT_TRUE(file.departures().empty());
  EXPECT_TRUE(unchecked_tables(db).empty());
  EXPECT_TRUE(find_schema_changes(db).empty());
}

TEST_P(OlderFormat, is_upgraded_and_knows_what_is_agreed_on) {
  EXPECT_EQ(claim_file(path_).cluster, "shop");
  Database db = unit::open_captured(path_);
  EXPECT_EQ(format(db), kFileFormat);
  EXPECT_EQ(replicated_tables(db), (std::vector<std::string>{"items", "notes"}));
  for (const auto& [table, definition] : agreed_definitions(db)) EXPECT_TRUE(definition.starts_with("table")) << table;
  EXPECT_TRUE(find_schema_changes(db).empty());
  EXPECT_EQ(NodeFile(db).pending_transactions(), 2);
  // Guarded as before, those before format 4 by triggers: an older colony.so can go on.
  const bool has_indexes = GetParam() >= 4;
  EXPECT_EQ(chosen_guard_kind(db), has_indexes ? std::optional(GuardKind::kIndex) : std::nullopt);
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name GLOB '__colony_guard*'"),
            has_indexes ? 2 : 0);
  EXPECT_EQ(unit::rows(db, "__colony_layouts"), "");
  db.execute("INSERT INTO notes VALUES(2, 'after the upgrade')");
  EXPECT_EQ(NodeFile(db).pending_transactions(), 3);
  Database by_hand(path_, Database::Mode::kReadWrite);
  allow_guarded_writes(by_hand.handle());
  by_hand.execute("CREATE UNIQUE INDEX i ON notes(body)");
  EXPECT_EQ(find_schema_changes(db).broken.size(), 1u);
}

TEST_P(OlderFormat, becomes_a_file_of_today_by_init) {
  const EnrollReport report = enroll({path_, "shop", "a", std::nullopt});
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kUnchangedIdentity);
  EXPECT_TRUE(report.changes.empty());
  Database db = unit::open_captured(path_);
  EXPECT_EQ(format(db), kFileFormat);
  EXPECT_EQ(chosen_guard_kind(db), GuardKind::kIndex);
  Database plain(path_, Database::Mode::kReadWrite);
  EXPECT_EQ(unit::error_of(plain, "UPDATE notes SET body = 1"), std::string("no such module: ") + kCaptureModule);
  EXPECT_EQ(unit::rows(db, "__colony_left_out"), "'keyless'\n");
  EXPECT_TRUE(find_schema_changes(db).empty());
  EXPECT_EQ(NodeFile(db).pending_transactions(), 2);
}

TEST_P(OlderFormat, sends_what_it_held_and_takes_in_what_others_write) {
  claim_file(path_);
  MemoryNode app{unit::ExistingFile{path_}};
  MemoryStream stream;
  MemorySidecar a(stream, app, "a"), b(stream, kSchema, "b", 2);
  unit::settle({&a, &b});
  b.app().run("UPDATE items SET n = n + 1");
  a.app().run("INSERT INTO items VALUES('four', 4, 'd')");
  unit::settle({&a, &b});
  for (const char* table : {"items", "notes"}) EXPECT_EQ(a.app().rows(table), b.app().rows(table));
  EXPECT_EQ(a.app().rows("items"), "'four' 4 'd'\n'one' 11 'a'\n'three' 4 'c'\n'two' 3 'b'\n");
  EXPECT_EQ(a.file().pending_transactions(), 0);
}

INSTANTIATE_TEST_SUITE_P(Formats, OlderFormat, testing::Values(1, 2, 3, 4, 5),
                         [](const auto& of) { return std::to_string(of.param); });

}  // namespace
}  // namespace colony
