#include "replicator/wal/tree_map.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "../temporary_folder.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

constexpr const char* kTables =
    "CREATE TABLE rows(id INTEGER PRIMARY KEY, x);"
    "CREATE TABLE pairs(a TEXT PRIMARY KEY, b) WITHOUT ROWID;"
    "CREATE TABLE empty(id INTEGER PRIMARY KEY);"
    "CREATE INDEX pairs_b ON pairs(b);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800)"
    "INSERT INTO rows SELECT i, zeroblob(iif(i % 50 = 0, 3000, 20)) FROM n;"
    "INSERT INTO pairs SELECT 'key ' || id, iif(id % 90 = 0, zeroblob(700), id) FROM rows;";

constexpr const char* kWatchedPages =
    "SELECT pageno, name, pagetype = 'overflow' FROM dbstat WHERE name IN ('rows', 'pairs', 'empty')";

// What the map and SQLite disagree about. Overflow pages that have become free may still be in the
// map.
std::string disagreement(WatchedFile& file) {
  const TreeMap& map = file.map();
  std::map<PageNumber, std::pair<std::string, bool>> pages;
  Statement select(file.program(), kWatchedPages);
  while (select.step()) {
    pages[static_cast<PageNumber>(select.integer(0))] = {std::string(select.text(1)), select.integer(2) != 0};
  }
  for (const auto& [page, place] : pages) {
    const TreeMap::Place mapped = map.at(page);
    const bool is_overflow =
        mapped.kind == TreeMap::Kind::kFirstOverflow || mapped.kind == TreeMap::Kind::kMoreOverflow;
    const std::string tree = mapped.tree == 0 ? "none" : file.tables()[mapped.tree - 1u];
    if (tree != place.first || is_overflow != place.second) {
      return "page " + std::to_string(page) + " is of " + place.first + ", not of " + tree;
    }
  }
  for (PageNumber page = 1; page < 5000; ++page) {
    if (map.at(page).kind == TreeMap::Kind::kTree && !pages.contains(page)) {
      return "page " + std::to_string(page) + " is of no tree";
    }
  }
  return "";
}

int overflow_pages(WatchedFile& file) {
  int count = 0;
  for (PageNumber page = 1; page < 5000; ++page) {
    const TreeMap::Kind kind = file.map().at(page).kind;
    count += kind == TreeMap::Kind::kFirstOverflow || kind == TreeMap::Kind::kMoreOverflow;
  }
  return count;
}

TEST(TreeMap, knows_the_pages_of_all_trees) {
  TemporaryFolder folder;
  WatchedFile file(folder / "x.db", {.page_bytes = 512}, kTables);
  file.map().find_overflow(file.pages());
  EXPECT_EQ(disagreement(file), "");
  EXPECT_EQ(overflow_pages(file), file.program().query_integer(
                                      "SELECT sum(pagetype = 'overflow') FROM dbstat WHERE name IN ('rows', 'pairs')"));
}

TEST(TreeMap, finds_overflow_pages_only_when_it_is_asked) {
  TemporaryFolder folder;
  WatchedFile file(folder / "x.db", {.page_bytes = 512}, kTables);
  EXPECT_FALSE(file.map().knows_overflow());
  EXPECT_EQ(overflow_pages(file), 0);
  file.map().find_overflow(file.pages());
  EXPECT_TRUE(file.map().knows_overflow());
  EXPECT_GT(overflow_pages(file), 50);
}

TEST(TreeMap, leads_from_each_page_to_its_root) {
  TemporaryFolder folder;
  WatchedFile file(folder / "x.db", {.page_bytes = 512}, kTables);
  for (PageNumber page = 1; page < 2000; ++page) {
    TreeMap::Place place = file.map().at(page);
    if (place.kind != TreeMap::Kind::kTree) continue;
    const std::string& table = file.tables()[place.tree - 1u];
    PageNumber top = page;
    for (int height = 0; place.link != 0 && height < 10; ++height) {
      top = place.link;
      place = file.map().at(top);
    }
    EXPECT_EQ(top, file.root(table));
    EXPECT_EQ(file.map().at(top).kind, TreeMap::Kind::kTree);
    EXPECT_EQ(file.map().at(top).link, 0u);
  }
}

TEST(TreeMap, stays_right_whatever_is_written) {
  TemporaryFolder folder;
  for (const std::string vacuum : {"NONE", "FULL"}) {
    WatchedFile file(folder / ("x" + vacuum), {.page_bytes = 512, .auto_vacuum = vacuum}, kTables);
    file.map().find_overflow(file.pages());
    for (const std::string sql :
         {"UPDATE rows SET x = zeroblob(1500) WHERE id % 40 = 3", "DELETE FROM rows WHERE id BETWEEN 100 AND 500",
          "UPDATE pairs SET a = a || hex(zeroblob(100)) WHERE b > 300", "DELETE FROM pairs WHERE a > 'key 5'",
          "INSERT INTO rows SELECT id + 1000, x FROM rows", "DELETE FROM rows"}) {
      file.run(sql);
      EXPECT_EQ(disagreement(file), "") << vacuum << ": " << sql;
    }
  }
}

// Damage: what SQLite would call a malformed image.
class DamagedTree : public testing::Test {
 protected:
  DamagedTree() : db_(new_wal_database(folder_ / "x.db", {.page_bytes = 512}, kTables)) {
    db_.execute("PRAGMA wal_checkpoint(TRUNCATE); CREATE TABLE later(x)");
    log_.emplace(db_);
    root_ = static_cast<PageNumber>(db_.query_integer("SELECT rootpage FROM sqlite_schema WHERE name = 'rows'"));
  }
  // The first child of the root.
  void lead_to(PageNumber child) {
    PageVersions pages(*log_, log_->wait_for_end());
    const PageImage image = pages.before(root_);
    const auto high = static_cast<unsigned char>((*image)[12]), low = static_cast<unsigned char>((*image)[13]);
    const std::array<char, 4> number{static_cast<char>(child >> 24), static_cast<char>(child >> 16),
                                     static_cast<char>(child >> 8), static_cast<char>(child)};
    sqlite3_file* file = nullptr;
    sqlite3_file_control(db_.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
    ASSERT_EQ(file->pMethods->xWrite(file, number.data(), 4, (root_ - 1) * 512 + (high << 8 | low)), SQLITE_OK);
  }
  void build() {
    PageVersions pages(*log_, log_->wait_for_end());
    TreeMap().build(pages, {root_});
  }

  TemporaryFolder folder_;
  Database db_;
  std::optional<WalLog> log_;
  PageNumber root_ = 0;
};

TEST_F(DamagedTree, that_leads_to_itself_is_refused) {
  EXPECT_NO_THROW(build());
  lead_to(root_);
  EXPECT_THROW(build(), WalLost);
}

TEST_F(DamagedTree, that_leads_beyond_the_database_is_refused) {
  for (const PageNumber page : {0u, 100000u, 0xfffffffeu}) {
    lead_to(page);
    EXPECT_THROW(build(), WalLost) << page;
  }
}

}  // namespace
}  // namespace colony::unit
