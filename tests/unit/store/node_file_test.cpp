#include "replicator/store/node_file.h"

#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

ChunkNumber p(std::uint64_t number) { return ChunkNumber(number); }

class NodeFileTest : public testing::Test {
 protected:
  MemoryNode node_{kSchema, "north"};
  NodeFile file_{node_.db()};
};

TEST_F(NodeFileTest, tells_who_it_is) {
  EXPECT_EQ(file_.identity().cluster, "test");
  EXPECT_EQ(file_.identity().node, "north");
  EXPECT_EQ(file_.identity().incarnation, Incarnation(7));
}

TEST_F(NodeFileTest, is_refused_when_it_is_no_colonys_or_newer) {
  Database stranger(unit::new_memory_path(), Database::Mode::kReadWrite);
  EXPECT_THROW(NodeFile{stranger}, Error);
  node_.run("UPDATE __colony_meta SET value = 99 WHERE key = 'format'");
  try {
    NodeFile newer(node_.db());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("newer Colony"), std::string::npos);
  }
}

TEST_F(NodeFileTest, position_epoch_home_and_absorbed_come_back) {
  EXPECT_EQ(file_.position(), Sequence(0));
  EXPECT_EQ(file_.epoch(), "");
  file_.set_position(Sequence(12), 0xffffffffffffffff, 345);
  file_.set_epoch("e1");
  file_.set_home({"host", "/a b"});
  file_.set_absorbed(p(5));
  EXPECT_EQ(file_.position(), Sequence(12));
  EXPECT_EQ(file_.position_hash(), 0xffffffffffffffff);
  EXPECT_EQ(file_.log_bytes(), 345u);
  EXPECT_EQ(file_.epoch(), "e1");
  EXPECT_EQ(file_.home(), (Home{"host", "/a b"}));
  EXPECT_EQ(file_.absorbed(), p(5));
}

TEST_F(NodeFileTest, origins_come_back_and_move) {
  const Origin one{Incarnation(1), p(2), Sequence(3), "h", "p", "v"},
      moved{Incarnation(1), p(9), Sequence(8), "", "", ""};
  file_.set_origin("b", one);
  file_.set_origin("c", one);
  file_.set_origin("b", moved);
  EXPECT_EQ(file_.origins(), (std::map<std::string, Origin>{{"b", moved}, {"c", one}}));
}

TEST_F(NodeFileTest, outbox_is_read_in_order_up_to_a_size) {
  for (int i = 1; i <= 5; ++i) node_.run("INSERT INTO t VALUES(" + std::to_string(i) + ", zeroblob(1000))");
  EXPECT_EQ(file_.outbox_after(p(0), 1).size(), 1u);
  EXPECT_EQ(file_.outbox_after(p(0), 1500).size(), 2u);
  const auto rest = file_.outbox_after(p(2), 1'000'000);
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest.front().chunk, p(3));
  EXPECT_EQ(rest.back().chunk, p(5));
  EXPECT_TRUE(rest.back().last);
  EXPECT_TRUE(file_.outbox_after(p(5), 1000).empty());
  EXPECT_EQ(file_.pending_transactions(), 5);
}

TEST_F(NodeFileTest, one_chunk_is_found_by_its_number) {
  node_.run("INSERT INTO t VALUES(1, 1); INSERT INTO t VALUES(2, 2)");
  EXPECT_EQ(file_.outbox_chunk(p(2))->chunk, p(2));
  EXPECT_FALSE(file_.outbox_chunk(p(0)));
  EXPECT_FALSE(file_.outbox_chunk(p(3)));
  file_.remove_outbox(p(1), p(1));
  EXPECT_FALSE(file_.outbox_chunk(p(1)));
}

TEST_F(NodeFileTest, end_of_the_outbox_is_what_was_absorbed_when_it_is_empty) {
  EXPECT_EQ(file_.outbox_end(), p(0));
  node_.run("INSERT INTO t VALUES(1, 1); INSERT INTO t VALUES(2, 2)");
  EXPECT_EQ(file_.outbox_end(), p(2));
  file_.remove_outbox(p(1), p(2));
  file_.set_absorbed(p(2));
  EXPECT_EQ(file_.outbox_end(), p(2));
}

TEST_F(NodeFileTest, transaction_of_many_chunks_is_put_together) {
  node_.run("INSERT INTO t VALUES(1, 1); INSERT INTO t VALUES(2, zeroblob(200000)); INSERT INTO t VALUES(3, 3)");
  const ChunkNumber end = file_.outbox_end();
  EXPECT_EQ(file_.outbox_transaction(p(2), ChunkNumber(end.value() - 1)).view(), node_.outbox()[1]);
  EXPECT_EQ(file_.outbox_transaction(p(1), p(1)).view(), node_.outbox()[0]);
  EXPECT_EQ(file_.pending_transactions(), 3);
}

TEST_F(NodeFileTest, effect_is_none_until_a_redo_has_one) {
  node_.run("INSERT INTO t VALUES(1, 1)");
  EXPECT_FALSE(file_.effect(p(1), p(1)));
  file_.set_effect(p(1), p(1), "effect");
  EXPECT_EQ(file_.effect(p(1), p(1))->view(), "effect");
  file_.set_effect(p(1), p(1), "");  // it changed nothing: not the same as none
  EXPECT_EQ(file_.effect(p(1), p(1))->view(), "");
  file_.clear_effect(p(1), p(1));
  EXPECT_FALSE(file_.effect(p(1), p(1)));
}

TEST_F(NodeFileTest, effect_is_cut_over_the_chunks_of_its_transaction) {
  node_.run("INSERT INTO t VALUES(1, zeroblob(130000)); INSERT INTO t VALUES(2, 2)");
  for (const std::size_t size : {60'001u, 1'000'003u, 0u, 5u}) {
    std::string effect(size, 'e');
    if (size > 0) effect.front() = 'b', effect.back() = 'd';
    file_.set_effect(p(1), p(3), effect);
    EXPECT_EQ(file_.effect(p(1), p(3))->view(), effect) << size;
    EXPECT_FALSE(file_.effect(p(4), p(4))) << size;
  }
  file_.clear_effect(p(1), p(3));
  EXPECT_FALSE(file_.effect(p(1), p(3)));
}

TEST_F(NodeFileTest, fragments_are_put_together_in_order_per_origin) {
  file_.add_fragment("b", p(10), "ten");
  file_.add_fragment("b", p(9), "nine");
  file_.add_fragment("c", p(1), "one");
  file_.add_fragment("b", p(9), "NINE");
  EXPECT_EQ(file_.parts("b").view(), "NINEten");
  EXPECT_EQ(file_.parts("c").view(), "one");
  file_.remove_fragments("b");
  EXPECT_FALSE(file_.has_fragments("b"));
  EXPECT_TRUE(file_.has_fragments("c"));
}

TEST_F(NodeFileTest, bound_of_the_conflict_journal_is_a_setting) {
  EXPECT_EQ(file_.conflicts_max(), 10'000);
  node_.run("INSERT INTO __colony_meta VALUES('conflicts_max', 5)");
  EXPECT_EQ(file_.conflicts_max(), 5);
}

TEST(FileLayout, guards_are_made_found_and_dropped) {
  MemoryNode node("CREATE TABLE \"a b\"(k INTEGER PRIMARY KEY)");
  node.run("SELECT colony_allow_schema_changes()");
  EXPECT_TRUE(has_guards(node.db(), "a b"));
  EXPECT_EQ(replicated_tables(node.db()), std::vector<std::string>{"a b"});
  drop_guards(node.db(), "a b");
  EXPECT_FALSE(has_guards(node.db(), "a b"));
  Database plain(node.path(), Database::Mode::kReadWrite);
  EXPECT_EQ(unit::error_of(plain, "INSERT INTO \"a b\" VALUES(1)"), "");
  create_guards(node.db(), "a b");
  create_guards(node.db(), "a b");
  EXPECT_TRUE(has_guards(node.db(), "a b"));
}

TEST(FileLayout, drop_leaves_the_apps_schema_as_it_was) {
  const std::string path = unit::new_memory_path();
  Database db = unit::open_captured(path);
  db.execute(
      "SELECT colony_allow_schema_changes();"
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE my__colony_table(k INTEGER PRIMARY KEY);"
      "CREATE TABLE _x_colony_y(k); CREATE INDEX i ON t(a); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END");
  const std::string before = unit::rows(db, "sqlite_schema");
  EXPECT_FALSE(has_layout(db));
  create_layout(db);
  create_layout(db);
  unit::replicate_all(db);
  EXPECT_TRUE(has_layout(db));
  drop_layout(db);
  EXPECT_FALSE(has_layout(db));
  EXPECT_EQ(unit::rows(db, "sqlite_schema"), before);
}

}  // namespace
}  // namespace colony
