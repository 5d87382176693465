// Transactions that wrote a table, altered it and wrote it again, as earlier versions kept
// them: with a section of fewer columns and one of more.
#include <gtest/gtest.h>

#include <algorithm>

#include "replicator/apply/rebase.h"
#include "replicator/compare/proof.h"
#include "replicator/fold/write_set.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryFold;
using unit::MemoryNode;

Value text(std::string_view value) { return Value::of_text(value); }
Value number(std::int64_t value) { return Value::of_integer(value); }

class Sections {
 public:
  Sections& of(const std::string& name, std::size_t columns) {
    ChangesetTable table{name, std::vector<std::uint8_t>(columns, 0)};
    table.key[0] = 1;
    ChangesetWriter(bytes_).begin_table(table);
    return *this;
  }
  Sections& insert(std::vector<Value> row) { return add({Operation::kInsert, {}, std::move(row)}); }
  Sections& erase(std::vector<Value> row) { return add({Operation::kDelete, std::move(row), {}}); }
  Sections& update(std::vector<Value> before, std::vector<Value> after) {
    return add({Operation::kUpdate, std::move(before), std::move(after)});
  }
  operator std::string() const { return bytes_; }

 private:
  Sections& add(const Change& change) {
    ChangesetWriter(bytes_).add(change);
    return *this;
  }
  std::string bytes_;
};

constexpr const char* kAltered = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, c)";

// INSERT, ALTER TABLE ADD COLUMN c, UPDATE of that row; another row goes and comes back.
std::string written_altered_written() {
  return Sections()
      .of("t", 2)
      .erase({number(2), text("two")})
      .insert({number(1), text("one")})
      .of("u", 1)
      .insert({number(5)})
      .of("t", 3)
      .update({number(1), {}, Value::null()}, {{}, {}, text("x")})
      .insert({number(2), text("again"), text("y")});
}

constexpr const char* kBoth =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, c); CREATE TABLE u(k INTEGER PRIMARY KEY)";

TEST(ChangesetSections, are_applied_in_turn_and_undone_from_the_last) {
  MemoryFold file(kBoth, "INSERT INTO t VALUES(2, 'two', NULL)");
  EXPECT_EQ(file.apply(written_altered_written()), "");
  EXPECT_EQ(file.rows("t"), "1 'one' 'x'\n2 'again' 'y'\n");
  EXPECT_EQ(file.apply(unit::inverted(written_altered_written())), "");
  EXPECT_EQ(file.rows("t"), "2 'two' NULL\n");
  EXPECT_EQ(file.rows("u"), "");
}

// A row in the way of a unique value makes the fold apply the changes as a set.
TEST(ChangesetSections, are_a_set_each_where_they_collide) {
  MemoryFold file(kAltered, "INSERT INTO t VALUES(9, 'one', NULL)");
  const std::string changes = Sections()
                                  .of("t", 2)
                                  .insert({number(1), text("one")})
                                  .of("t", 3)
                                  .update({number(1), {}, Value::null()}, {{}, {}, text("x")});
  Conflicts conflicts;
  const std::string effect = file.effect_of(changes, &conflicts);
  EXPECT_EQ(unit::shown_conflicts(conflicts), "displaced t {\"k\":9} {\"k\":9,\"u\":\"one\",\"c\":null}\n");
  EXPECT_EQ(file.rows("t"), "1 'one' 'x'\n");
  EXPECT_EQ(file.apply(unit::inverted(effect)), "");
  EXPECT_EQ(file.rows("t"), "9 'one' NULL\n");
}

TEST(ChangesetSections, row_that_the_first_inserts_and_the_second_deletes_is_gone_as_a_set_too) {
  MemoryFold file(kAltered, "INSERT INTO t VALUES(9, 'one', NULL)");
  const std::string changes = Sections()
                                  .of("t", 2)
                                  .insert({number(1), text("one")})
                                  .of("t", 3)
                                  .erase({number(1), text("one"), Value::null()})
                                  .insert({number(3), text("three"), number(3)});
  file.apply(changes);
  EXPECT_EQ(file.rows("t"), "3 'three' 3\n");
}

// The pending transaction of such a file is rebased, and the proof sees through it.
class PendingSections : public testing::Test {
 protected:
  PendingSections() {
    node_.run("INSERT INTO t VALUES(1, 'one', 'x'), (2, 'again', 'y'); INSERT INTO u VALUES(5)")
        .run("DELETE FROM __colony_outbox");
    Statement insert(node_.db(), "INSERT INTO __colony_outbox(piece, last, shape, changeset) VALUES(1, 1, 0, ?1)");
    insert.bind_blob(1, changeset_).run();
    schema_.load(db_);
    fold_.schema_changed();
  }

  const std::string changeset_ = written_altered_written();
  MemoryNode node_{kBoth, "a"};
  Database db_{open_for_fold(node_.path())};
  NodeFile file_{db_};
  ReplicatedSchema schema_;
  Fold fold_{db_, schema_};
};

TEST_F(PendingSections, are_taken_out_and_put_back_around_an_entry_of_somebody_else) {
  const ChunkNumber last(1);
  PendingTransactions pending;
  WriteSet write_set;
  add_to_write_set(schema_, changeset_, write_set);
  pending.add(last, last, std::move(write_set));
  ConflictJournal journal(db_);
  const std::string foreign = Sections().of("t", 3).update({number(2), text("two"), {}}, {{}, text("by b"), {}});
  WriteSet meets;
  add_to_write_set(schema_, foreign, meets);
  OverlappingTransactions overlapping(pending);
  overlapping.ask(meets.overlaps);
  ASSERT_EQ(overlapping.transactions(), std::set<ChunkNumber>{last});

  WriteTransaction transaction(db_);
  Rebase rebase(file_, fold_, schema_, journal, pending);
  rebase.undo({last});
  EXPECT_EQ(unit::rows(db_, "t"), "2 'two' NULL\n");
  rebase.apply_foreign(Sequence(5), "b", ChunkNumber(1), foreign, combine_shapes(0, schema_.find("t")->shape(3)));
  rebase.redo_rest();
  EXPECT_TRUE(rebase.missed().empty());
  transaction.commit();
  EXPECT_EQ(unit::rows(db_, "t"), "1 'one' 'x'\n2 'again' 'y'\n");
}

TEST_F(PendingSections, are_taken_out_of_the_proof) {
  MemoryNode before(kBoth);
  before.run("INSERT INTO t VALUES(2, 'two', NULL)").run("DELETE FROM __colony_outbox");
  const ProofEntry with = ProofSnapshot(node_.path(), 1, Sequence(0)).compute();
  const ProofEntry without = ProofSnapshot(before.path(), 1, Sequence(0)).compute();
  ASSERT_EQ(with.tables.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(with.tables[i].hash, without.tables[i].hash) << with.tables[i].name;
    EXPECT_EQ(with.tables[i].rows, without.tables[i].rows) << with.tables[i].name;
  }
}

// What it holds in the younger column is unknown, and may be in the way there.
TEST(ChangesetSections, rows_of_fewer_columns_may_meet_in_a_unique_index_on_a_younger_one) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, a, c DEFAULT 7 UNIQUE)", "");
  const std::string one = Sections().of("t", 2).insert({number(1), text("a")});
  const std::string other = Sections().of("t", 2).insert({number(2), text("b")});
  WriteSet a, b;
  add_to_write_set(file.schema(), one, a);
  add_to_write_set(file.schema(), other, b);
  EXPECT_TRUE(std::any_of(a.overlaps.begin(), a.overlaps.end(), [&](std::uint64_t ask) {
    return std::find(b.writes.begin(), b.writes.end(), ask) != b.writes.end();
  }));
}

}  // namespace
}  // namespace colony
