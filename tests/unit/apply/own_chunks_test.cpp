// Whether what the log has of this node is what its outbox has.
#include "replicator/apply/own_chunks.h"

#include <gtest/gtest.h>

#include "replicator/log/error.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

class OwnChunksTest : public testing::Test {
 protected:
  // The error; empty if it agrees.
  std::string check(const std::vector<OwnChunk>& chunks) {
    PlannedMessage planned;
    planned.message = &message_;
    planned.own_chunks = chunks;
    try {
      check_own_chunks(file_, planned);
      return "";
    } catch (const Halt& halt) {
      return halt.what();
    }
  }

  unit::MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "self"};
  NodeFile file_{node_.db()};
  Message message_{Sequence(9), "self", "", 0};
};

TEST_F(OwnChunksTest, what_the_outbox_has_agrees) {
  const std::string one = node_.changeset_of("INSERT INTO t VALUES(1, 'a')");
  const std::string two = node_.changeset_of("INSERT INTO t VALUES(2, 'b')");
  EXPECT_EQ(check({{ChunkNumber(1), true, one}, {ChunkNumber(2), true, two}}), "");
}

TEST_F(OwnChunksTest, large_transaction_agrees_chunk_by_chunk) {
  node_.run("INSERT INTO t VALUES(1, zeroblob(150000))");
  const auto chunks = file_.outbox_after(ChunkNumber(), 1'000'000);
  ASSERT_EQ(chunks.size(), 3u);
  std::vector<OwnChunk> own;
  for (const OutboxChunk& chunk : chunks) own.push_back({chunk.chunk, chunk.last, chunk.changeset});
  EXPECT_EQ(check(own), "");
}

TEST_F(OwnChunksTest, number_with_other_content_halts) {
  node_.run("INSERT INTO t VALUES(1, 'a')");
  const std::string why = check({{ChunkNumber(1), true, "of a copy"}});
  EXPECT_NE(why.find("entry 9 of the log has a transaction number 1 of node self"), std::string::npos) << why;
  EXPECT_NE(why.find("copy of, or an older backup of"), std::string::npos) << why;
  EXPECT_NE(why.find("--node NEW"), std::string::npos) << why;
}

TEST_F(OwnChunksTest, chunk_with_another_end_halts) {
  const std::string one = node_.changeset_of("INSERT INTO t VALUES(1, 'a')");
  EXPECT_NE(check({{ChunkNumber(1), false, one}}), "");
}

TEST_F(OwnChunksTest, number_that_is_missing_halts) { EXPECT_NE(check({{ChunkNumber(1), true, "gone"}}), ""); }

}  // namespace
}  // namespace colony
