#include "replicator/wal/page_versions.h"

#include <gtest/gtest.h>

#include <limits>

#include "../temporary_folder.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

// Three transactions after the base, each of which changes table `t`, whose only page is the
// second.
class PageVersionsTest : public testing::Test {
 protected:
  PageVersionsTest() : db_(new_wal_database(folder_ / "x.db", {}, "CREATE TABLE t(x); INSERT INTO t VALUES('base')")) {
    log_.emplace(db_);
    base_ = log_->wait_for_end();
    db_.execute("INSERT INTO t VALUES('one'); INSERT INTO t VALUES('two'); INSERT INTO t VALUES('three')");
    end_ = log_->wait_for_end();
  }

  static bool has(const PageImage& image, const char* text) { return image->find(text) != std::string::npos; }
  static constexpr PageNumber kLeaf = 2;

  TemporaryFolder folder_;
  Database db_;
  std::optional<WalLog> log_;
  WalEnd base_, end_;
};

TEST_F(PageVersionsTest, gives_one_transaction_after_another) {
  PageVersions pages(*log_, base_);
  WrittenPages written;
  for (const char* const row : {"one", "two", "three"}) {
    ASSERT_TRUE(pages.next(end_.frame, written));
    EXPECT_TRUE(written.contains(kLeaf));
    EXPECT_EQ(written.database_pages, 2u);
    EXPECT_FALSE(has(pages.before(kLeaf), row));
    EXPECT_TRUE(has(pages.after(kLeaf, written), row));
    pages.advance(written);
    EXPECT_TRUE(has(pages.before(kLeaf), row));
  }
  EXPECT_FALSE(pages.next(end_.frame, written));
  EXPECT_EQ(pages.frame(), end_.frame);
}

TEST_F(PageVersionsTest, gives_no_part_of_a_transaction) {
  PageVersions pages(*log_, base_);
  WrittenPages written;
  db_.execute("PRAGMA cache_size = 2; BEGIN; INSERT INTO t SELECT zeroblob(3000) FROM json_each('[1,2,3,4,5,6,7]')");
  db_.execute("COMMIT");
  const FrameNumber all = log_->wait_for_end().frame;
  ASSERT_GT(all, end_.frame + 2);
  ASSERT_TRUE(pages.rest(end_.frame, written));
  pages.advance(written);
  EXPECT_FALSE(pages.next(all - 1, written)) << "its last frame is missing";
  EXPECT_TRUE(pages.next(all, written));
}

TEST_F(PageVersionsTest, gives_all_transactions_as_one) {
  PageVersions pages(*log_, base_);
  WrittenPages written;
  ASSERT_TRUE(pages.rest(end_.frame, written));
  EXPECT_TRUE(has(pages.before(kLeaf), "base"));
  EXPECT_FALSE(has(pages.before(kLeaf), "one"));
  EXPECT_TRUE(has(pages.after(kLeaf, written), "three"));
  pages.advance(written);
  EXPECT_FALSE(pages.rest(end_.frame, written));
}

TEST_F(PageVersionsTest, begins_in_the_middle_of_a_log) {
  PageVersions pages(*log_, end_);
  EXPECT_TRUE(has(pages.before(kLeaf), "three"));
}

TEST_F(PageVersionsTest, reads_pages_without_a_frame_from_the_database) {
  db_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  db_.execute("CREATE TABLE other(x)");
  PageVersions pages(*log_, log_->wait_for_end());
  EXPECT_TRUE(has(pages.before(kLeaf), "three"));
  EXPECT_EQ(*pages.before(1000), std::string(4096, '\0')) << "beyond its end";
}

TEST_F(PageVersionsTest, goes_on_in_a_log_that_was_begun_anew) {
  PageVersions pages(*log_, end_);
  db_.execute("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES('four')");
  const WalEnd end = log_->wait_for_end();
  ASSERT_NE(end.salt, end_.salt);
  pages.begin_anew(end.salt);
  WrittenPages written;
  ASSERT_TRUE(pages.next(end.frame, written));
  EXPECT_TRUE(has(pages.before(kLeaf), "three"));
  EXPECT_FALSE(has(pages.before(kLeaf), "four"));
  EXPECT_TRUE(has(pages.after(kLeaf, written), "four"));
}

TEST_F(PageVersionsTest, reads_no_frames_of_another_log) {
  PageVersions pages(*log_, end_);
  pages.begin_anew({1, 2});
  WrittenPages written;
  EXPECT_THROW(pages.next(1, written), WalLost);
  EXPECT_THROW(pages.rest(1, written), WalLost);
}

TEST_F(PageVersionsTest, says_when_the_log_is_shorter_than_its_index_tells) {
  PageVersions pages(*log_, end_);
  WrittenPages written;
  EXPECT_THROW(pages.next(end_.frame + 100, written), WalLost);
  EXPECT_THROW(pages.rest(std::numeric_limits<FrameNumber>::max(), written), WalLost);
}

// What is damaged: the number of pages in the frame that ends the first transaction.
TEST_F(PageVersionsTest, believes_no_more_pages_than_could_have_been_added) {
  PageVersions pages(*log_, base_);
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db_.handle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  ASSERT_EQ(file->pMethods->xWrite(file, "\xff\xff\xff\xff", 4, 32 + base_.frame * (24 + 4096) + 4), SQLITE_OK);
  WrittenPages written;
  EXPECT_THROW(pages.next(end_.frame, written), WalLost);
}

TEST_F(PageVersionsTest, has_no_page_zero) { EXPECT_THROW(PageVersions(*log_, end_).before(0), WalLost); }

}  // namespace
}  // namespace colony::unit
