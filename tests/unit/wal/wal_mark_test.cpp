#include "replicator/wal/wal_mark.h"

#include <gtest/gtest.h>

#include "../temporary_folder.h"
#include "replicator/wal/captured_transactions.h"
#include "replicator/wal/wal_follower.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

const WalMark kMark{17, {{0xfedcba98u, 2}, 3, {4, 0xffffffffu}}};

TEST(WalMark, reads_as_it_was_written) {
  EXPECT_EQ(to_text(kMark), "11 fedcba98 2 3 4 ffffffff");
  EXPECT_EQ(parse_wal_mark(to_text(kMark)), kMark);
  const WalMark largest{~std::uint64_t{0}, {{~0u, ~0u}, ~0u, {~0u, ~0u}}};
  EXPECT_EQ(parse_wal_mark(to_text(largest)), largest);
  EXPECT_EQ(parse_wal_mark(to_text(WalMark{})), WalMark{});
}

TEST(WalMark, is_nothing_else) {
  for (const char* const text : {"", "1", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 6 ", " 1 2 3 4 5 6", "1  2 3 4 5 6",
                                 "1 2 3 4 5 x", "1 2 3 4 5 100000000", "-1 2 3 4 5 6", "1,2,3,4,5,6"}) {
    EXPECT_FALSE(parse_wal_mark(text)) << text;
  }
}

constexpr const char* kTables =
    "CREATE TABLE __colony_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE __colony_tables(name TEXT PRIMARY KEY, definition TEXT NOT NULL DEFAULT '') WITHOUT ROWID;";

class WalMarkInFile : public testing::TestWithParam<std::string> {};

TEST_P(WalMarkInFile, is_that_of_the_last_transaction) {
  TemporaryFolder folder;
  Database db = new_wal_database(folder / "x.db", {.encoding = GetParam()}, kTables);
  EXPECT_FALSE(read_wal_mark(db));
  write_wal_mark(db, WalMark{});
  write_wal_mark(db, kMark);
  EXPECT_EQ(read_wal_mark(db), kMark);
  const WalTables tables(db, WalLog(db).format());
  EXPECT_NE(tables.roots()[WalTables::kMeta - 1], 0u);
}

INSTANTIATE_TEST_SUITE_P(encodings, WalMarkInFile, testing::Values("UTF-8", "UTF-16le", "UTF-16be"),
                         [](const auto& test) { return test.param.substr(0, 3) + test.param.substr(4); });

// The follower on a file with a table `t` that is replicated.
class MarkedFile {
 public:
  explicit MarkedFile(const std::string& vacuum = "NONE")
      : db_(new_wal_database(folder_ / "x.db", {.page_bytes = 512, .auto_vacuum = vacuum},
                             std::string("CREATE TABLE filler(id INTEGER PRIMARY KEY, x);"
                                         "INSERT INTO filler SELECT value, zeroblob(400) FROM "
                                         "json_each('[1,2,3,4,5,6,7,8,9,10]');") +
                                 kTables +
                                 "CREATE TABLE t(id INTEGER PRIMARY KEY, x);"
                                 "INSERT INTO __colony_tables(name) VALUES('t')")),
        captured_(SpillSettings()) {
    write_wal_mark(db_, {1, {}});
    log_.emplace(db_);
    follower_.emplace(*log_, log_->wait_for_end(), WalTables(db_, log_->format()), 1, captured_, SpillSettings());
  }
  Database& db() { return db_; }

  // How many transactions were Colony's own, and how many had rows.
  std::pair<int, std::size_t> read() {
    int own = 0;
    captured_.clear();
    follower_->read(log_->wait_for_end(), ~std::size_t{0},
                    [&](const WalMark& mark, FrameNumber, bool) -> std::optional<WalTables> {
                      ++own;
                      latest = mark;
                      return std::nullopt;
                    });
    return {own, captured_.count()};
  }
  WalMark latest;

 private:
  TemporaryFolder folder_;
  Database db_;
  std::optional<WalLog> log_;
  CapturedTransactions captured_;
  std::optional<WalFollower> follower_;
};

using Read = std::pair<int, std::size_t>;

TEST(WalMark, tells_colonys_transactions_from_those_of_programs) {
  MarkedFile file;
  file.db().execute("INSERT INTO t VALUES(1, 'program')");
  EXPECT_EQ(file.read(), Read(0, 1));
  {
    WriteTransaction transaction(file.db());
    file.db().execute("INSERT INTO t VALUES(2, 'colony')");
    write_wal_mark(file.db(), {2, kMark.end});
    transaction.commit();
  }
  EXPECT_EQ(file.read(), Read(1, 0));
  EXPECT_EQ(file.latest, (WalMark{2, kMark.end}));
  file.db().execute("UPDATE t SET x = 'program'");
  EXPECT_EQ(file.read(), Read(0, 1));
}

TEST(WalMark, on_a_page_that_a_program_moves_is_no_new_one) {
  MarkedFile file("FULL");
  file.db().execute(
      "INSERT INTO __colony_meta SELECT 'k' || value, zeroblob(300) FROM json_each('[1,2,3,4,5,6,7,8,9]')");
  EXPECT_EQ(file.read(), Read(0, 0)) << "the row went from the root to a leaf";
  file.db().execute("BEGIN; DELETE FROM filler WHERE id < 8; INSERT INTO t VALUES(1, 2); COMMIT");
  EXPECT_EQ(file.read(), Read(0, 1)) << "leaves went to where pages have become free";
}

}  // namespace
}  // namespace colony::unit
