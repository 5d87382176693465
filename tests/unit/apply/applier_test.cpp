// What the applier makes of the log, and when it must not go on.
#include "replicator/apply/applier.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "replicator/compare/proof.h"
#include "replicator/store/schema_agreement.h"
#include "sqlite_ext/table_definition.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

using unit::MemoryNode;
using unit::MemorySidecar;
using unit::MemoryStream;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

class ApplierTest : public testing::Test {
 protected:
  void expect_same_rows() {
    EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
    EXPECT_EQ(a_.app().rows("__colony_conflicts"), b_.app().rows("__colony_conflicts"));
    EXPECT_EQ(a_.app().rows("__colony_origins"), b_.app().rows("__colony_origins"));
    EXPECT_EQ(a_.file().position(), b_.file().position());
  }
  // Why the next step halts; empty if it does not.
  static std::string halt_of(MemorySidecar& sidecar) {
    try {
      sidecar.absorb();
      return "";
    } catch (const Halt& halt) {
      return halt.what();
    }
  }
  // An entry of a node that is not here, in its turn.
  void append(const std::string& changeset, std::uint64_t chunk, std::uint64_t shape) {
    TransactionsEntry entry;
    entry.first = ChunkNumber(chunk);
    entry.chunks.push_back({true, shape, changeset});
    stream_.append("c", encode("c", Incarnation(3), entry));
  }
  void append_hello_of_c() { stream_.append("c", encode("c", Incarnation(3), HelloEntry{"elsewhere", "/c", "1"})); }
  static std::uint64_t shape_of(const std::vector<std::string>& columns) {
    return combine_shapes(0, table_shape(columns, columns.size()));
  }

  MemoryStream stream_;
  MemorySidecar a_{stream_, kSchema, "a", 1}, b_{stream_, kSchema, "b", 2};
};

TEST_F(ApplierTest, disk_without_room_for_a_large_transaction_stops_it_until_there_is_some) {
  const unit::TemporaryFolder folder;
  b_.applier_options.spill = SpillSettings{folder / "later", 1000};
  b_.restart();
  a_.app().run("INSERT INTO t VALUES(1, zeroblob(200000), hex(zeroblob(1000)))");
  stream_.entry_bytes_max = kEntryBytesMin;  // it comes in parts
  a_.restart();
  a_.absorb();
  a_.settle();
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_THROW(b_.absorb(), SpillError);
    EXPECT_EQ(b_.app().rows("t"), "");
  }
  std::filesystem::create_directory(folder / "later");
  unit::settle({&a_, &b_});
  EXPECT_NE(b_.app().rows("t"), "");
  expect_same_rows();
}

TEST_F(ApplierTest, rows_reach_the_other_node) {
  a_.app().run("INSERT INTO t VALUES(1, 'a', 2.5)");
  b_.app().run("INSERT INTO t VALUES(2, x'00', NULL)");
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), "1 'a' 2.5\n2 x'00' NULL\n");
  expect_same_rows();
  EXPECT_EQ(a_.file().position(), stream_.last());
  EXPECT_EQ(a_.file().position_hash(), message_hash(stream_.messages.back().data));
}

TEST_F(ApplierTest, crossed_writes_end_alike) {
  a_.app().run("INSERT INTO t VALUES(1, 0, 0)");
  unit::settle({&a_, &b_});
  a_.app().run("UPDATE t SET a = 1");
  b_.app().run("UPDATE t SET a = 2");
  b_.publish();
  a_.publish();
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), "1 1 0\n");  // the later in the log
  expect_same_rows();
  EXPECT_NE(a_.app().rows("__colony_conflicts"), "");
}

TEST_F(ApplierTest, writer_that_runs_ahead_of_the_log_loses_nothing) {
  a_.app().run("INSERT INTO t VALUES(1, 0, 0)");
  for (int i = 0; i < 3; ++i) {
    a_.app().run("UPDATE t SET a = a + 1");
    a_.absorb();
    a_.publish();
  }
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), "1 3 0\n");
  expect_same_rows();
  EXPECT_EQ(a_.app().rows("__colony_conflicts"), "");
}

TEST_F(ApplierTest, pending_transaction_is_rebased_onto_what_came_before_it) {
  a_.app().run("INSERT INTO t VALUES(1, 'base', 'base')");
  unit::settle({&a_, &b_});
  a_.app().run("UPDATE t SET a = 'of a'");
  b_.app().run("UPDATE t SET a = 'of b', b = 'of b'");
  b_.publish();
  a_.absorb();
  // Still pending here, on top of b's.
  EXPECT_EQ(a_.app().rows("t"), "1 'of a' 'of b'\n");
  EXPECT_EQ(a_.file().pending_transactions(), 1);
  unit::settle({&a_, &b_});
  expect_same_rows();
}

TEST_F(ApplierTest, acknowledgement_is_not_a_position) {
  unit::settle({&a_, &b_});
  b_.app().run("INSERT INTO t VALUES(2, 'of b', 0)");
  b_.publish();
  a_.app().run("INSERT INTO t VALUES(1, 'of a', 0)");
  a_.publish();
  a_.restart();
  unit::settle({&a_, &b_});
  expect_same_rows();
  EXPECT_EQ(a_.app().rows("t"), "1 'of a' 0\n2 'of b' 0\n");
}

TEST_F(ApplierTest, entry_that_cannot_be_read_is_ignored_and_counted) {
  stream_.append("x", "noise");
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  unit::settle({&a_, &b_});
  expect_same_rows();
  EXPECT_EQ(a_.status().view().ignored, 1u);
  EXPECT_EQ(a_.file().position(), stream_.last());
}

TEST_F(ApplierTest, table_that_is_missing_here_halts_and_goes_on_once_it_is_made) {
  append_hello_of_c();
  append(unit::changeset_at_origin(kSchema, "", "INSERT INTO t VALUES(1, 1, 1)"), 1, shape_of({"k", "a", "b"}));
  const std::string other = "CREATE TABLE later(k INTEGER PRIMARY KEY)";
  append(unit::changeset_at_origin(other, "", "INSERT INTO later VALUES(7)"), 2, shape_of({"k"}));
  const std::string why = halt_of(a_);
  EXPECT_NE(why.find("entry 3 of node c changes table later"), std::string::npos) << why;
  EXPECT_NE(why.find("colony init"), std::string::npos) << why;
  // What came before it does not wait.
  EXPECT_EQ(a_.app().rows("t"), "1 1 1\n");
  EXPECT_EQ(a_.file().position(), Sequence(2));
  a_.app().run("SELECT colony_allow_schema_changes()").run(other);
  unit::replicate_all(a_.app().db());
  EXPECT_EQ(halt_of(a_), "");
  EXPECT_EQ(a_.app().rows("later"), "7\n");
  EXPECT_EQ(a_.file().position(), Sequence(3));
}

TEST_F(ApplierTest, columns_of_other_names_halt) {
  append_hello_of_c();
  append(unit::changeset_at_origin(kSchema, "", "INSERT INTO t VALUES(1, 1, 1)"), 1, shape_of({"k", "b", "a"}));
  EXPECT_NE(halt_of(a_).find("other names, or another order"), std::string::npos);
  EXPECT_EQ(a_.app().rows("t"), "");
}

TEST_F(ApplierTest, changeset_that_cannot_be_read_halts) {
  append_hello_of_c();
  append("no changeset", 1, 0);
  const std::string why = halt_of(a_);
  EXPECT_NE(why.find("entry 2 of node c cannot be applied"), std::string::npos) << why;
  EXPECT_EQ(halt_of(a_), why);
  EXPECT_EQ(a_.file().position(), Sequence(1));
}

TEST_F(ApplierTest, value_that_the_table_refuses_stops_the_node_before_it) {
  MemorySidecar strict(stream_, "CREATE TABLE t(k INTEGER PRIMARY KEY, a NOT NULL, b)", "d", 4);
  append_hello_of_c();
  append(unit::changeset_at_origin(kSchema, "", "INSERT INTO t VALUES(1, NULL, 1)"), 1, shape_of({"k", "a", "b"}));
  EXPECT_ANY_THROW(strict.absorb());
  EXPECT_EQ(strict.app().rows("t"), "");
}

TEST_F(ApplierTest, gap_at_the_start_halts) {
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  a_.settle();
  stream_.first = Sequence(2);
  EXPECT_NE(halt_of(b_).find("no longer has entries 1 to 1"), std::string::npos);
  EXPECT_EQ(b_.file().position(), Sequence(0));
}

TEST_F(ApplierTest, gap_while_running_halts) {
  unit::settle({&a_, &b_});
  for (int k = 1; k <= 4; ++k) {
    a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", 1, 1)");
    a_.settle();
  }
  stream_.first = stream_.last();  // purged while b looked away
  EXPECT_NE(halt_of(b_).find("the log has a gap"), std::string::npos);
}

TEST_F(ApplierTest, purge_of_what_was_absorbed_is_no_gap) {
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  unit::settle({&a_, &b_});
  stream_.first = stream_.last().next();
  b_.restart();
  EXPECT_EQ(halt_of(b_), "");
  a_.app().run("INSERT INTO t VALUES(2, 1, 1)");
  unit::settle({&a_, &b_});
  expect_same_rows();
}

TEST_F(ApplierTest, messages_that_the_broker_skips_are_asked_for_again) {
  unit::settle({&a_, &b_});
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  a_.settle();
  stream_.append("x", "noise");
  b_.log().hide(Sequence(stream_.last().value() - 1));
  EXPECT_THROW(b_.absorb(), LogUnavailable);
  EXPECT_EQ(b_.app().rows("t"), "");
}

TEST_F(ApplierTest, log_that_lost_its_end_halts) {
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  unit::settle({&a_, &b_});
  stream_.messages.pop_back();
  b_.restart();
  EXPECT_NE(halt_of(b_).find("the log has lost its end"), std::string::npos);
}

TEST_F(ApplierTest, log_that_lost_its_end_and_grew_again_halts) {
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  unit::settle({&a_, &b_});
  stream_.messages.pop_back();
  stream_.append("x", "another");
  stream_.append("x", "and more");
  b_.restart();
  EXPECT_NE(halt_of(b_).find("the log has changed its past"), std::string::npos);
}

TEST_F(ApplierTest, log_of_another_epoch_halts) {
  unit::settle({&a_, &b_});
  stream_.epoch = "epoch-2";
  b_.restart();
  EXPECT_NE(halt_of(b_).find("the log is another one"), std::string::npos);
}

TEST_F(ApplierTest, broker_that_takes_too_little_halts) {
  stream_.entry_bytes_max = 32'000;
  EXPECT_NE(halt_of(a_).find("raise max_payload"), std::string::npos);
}

TEST_F(ApplierTest, name_of_another_incarnation_halts) {
  unit::settle({&a_, &b_});
  MemorySidecar impostor(stream_, kSchema, "a", 99);
  EXPECT_NE(halt_of(impostor).find("belongs to host:/a"), std::string::npos);
}

TEST_F(ApplierTest, copy_that_speaks_with_this_nodes_voice_halts_both) {
  unit::settle({&a_, &b_});
  stream_.append("a", encode("a", Incarnation(1), HelloEntry{"other-host", "/copy", "1"}));
  EXPECT_NE(halt_of(a_).find("a copy of this file speaks as node a at other-host:/copy"), std::string::npos);
}

TEST_F(ApplierTest, file_that_has_moved_says_hello_again) {
  unit::settle({&a_, &b_});
  a_.applier_options.home = {"host", "/moved"};
  a_.publisher_options.hello = {"host", "/moved", "1"};
  a_.restart();
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  unit::settle({&a_, &b_});
  EXPECT_EQ(stream_.shown(), "a hello\nb hello\na hello\na 1..1\n");
  EXPECT_EQ(b_.file().origins().at("a").path, "/moved");
}

TEST_F(ApplierTest, barrier_is_told_at_its_very_position) {
  std::string told;
  a_.listeners.on_barrier = [&](const BarrierEntry& barrier, Sequence at) {
    // What a reader sees at that moment is the fold up to there.
    told += std::to_string(barrier.id) + " at " + std::to_string(at.value()) + ": " + a_.app().rows("t");
    EXPECT_EQ(a_.file().position(), at);
    ProofSnapshot(a_.app().path(), barrier.id, at).compute();
  };
  a_.restart();
  append_hello_of_c();
  const auto insert = [&](int k) {
    append(unit::changeset_at_origin(kSchema, "", "INSERT INTO t VALUES(" + std::to_string(k) + ", 0, 0)"),
           static_cast<std::uint64_t>(k), shape_of({"k", "a", "b"}));
  };
  insert(1);
  stream_.append("c", encode("c", Incarnation(3), BarrierEntry{50}));
  stream_.append("c", encode("c", Incarnation(3), BarrierEntry{51}));
  insert(2);
  a_.absorb();
  EXPECT_EQ(told, "50 at 3: 1 0 0\n51 at 4: 1 0 0\n");
  EXPECT_EQ(a_.app().rows("t"), "1 0 0\n2 0 0\n");
}

TEST_F(ApplierTest, large_transaction_is_seen_whole_or_not_at_all) {
  a_.publisher_options.entry_bytes_max = kEntryBytesMin;
  a_.restart();
  unit::settle({&a_, &b_});
  a_.app().run("BEGIN; INSERT INTO t VALUES(1, randomblob(300000), 0); INSERT INTO t VALUES(2, 0, 0); COMMIT");
  a_.publish();
  ASSERT_GT(stream_.messages.size(), 6u);
  // One entry at a time, with a crash after each.
  b_.applier_options.fetch.messages = 1;
  std::string seen;
  for (bool more = true; more;) {
    b_.restart();
    more = b_.applier().step(std::chrono::milliseconds(0));
    if (b_.file().position() < stream_.last()) seen += b_.app().rows("t");
  }
  EXPECT_EQ(seen, "");
  EXPECT_EQ(b_.app().rows("t"), a_.app().rows("t"));
  EXPECT_EQ(b_.app().rows("__colony_parts"), "");
}

TEST_F(ApplierTest, app_that_does_not_let_go_is_an_error_that_passes) {
  a_.app().run("INSERT INTO t VALUES(1, 1, 1)");
  a_.settle();
  {
    Database writer = unit::open_captured(b_.app().path());
    writer.execute("BEGIN IMMEDIATE");
    EXPECT_THROW(b_.absorb(), SqliteError);
    writer.execute("ROLLBACK");
  }
  b_.absorb();
  EXPECT_EQ(b_.app().rows("t"), "1 1 1\n");
}

TEST_F(ApplierTest, each_step_absorbs_something_however_short_the_time) {
  b_.applier_options.transaction_ms = b_.applier_options.transaction_beside_app_ms = std::chrono::milliseconds(0);
  b_.restart();
  for (int k = 1; k <= 5; ++k) {
    a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", 1, 1)");
    a_.settle();
  }
  EXPECT_GE(b_.absorb(), 1);
  EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
}

// As SQLite's .backup and .restore do.
void copy(Database& from, Database& to) {
  sqlite3_backup* const backing = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  ASSERT_NE(backing, nullptr);
  EXPECT_EQ(sqlite3_backup_step(backing, -1), SQLITE_DONE);
  sqlite3_backup_finish(backing);
}

TEST_F(ApplierTest, older_backup_takes_what_it_forgot_from_the_log) {
  a_.app().run("INSERT INTO t VALUES(1, 'one', 0)");
  unit::settle({&a_, &b_});
  Database backup(unit::new_memory_path(), Database::Mode::kReadWrite);
  copy(a_.app().db(), backup);
  a_.app().run("INSERT INTO t VALUES(2, 'two', 0)").run("UPDATE t SET a = 'changed' WHERE k = 1");
  unit::settle({&a_, &b_});
  const std::string log = stream_.shown();

  copy(backup, a_.app().db());
  a_.restart();
  EXPECT_EQ(a_.app().rows("t"), "1 'one' 0\n");
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), "1 'changed' 0\n2 'two' 0\n");
  EXPECT_EQ(stream_.shown(), log);  // nothing was sent again
  a_.app().run("INSERT INTO t VALUES(3, 'three', 0)");
  unit::settle({&a_, &b_});
  expect_same_rows();
  EXPECT_EQ(a_.file().absorbed(), ChunkNumber(4));
}

TEST_F(ApplierTest, backup_of_the_time_before_the_first_hello_is_put_back_beside_a_running_sidecar) {
  Database backup(unit::new_memory_path(), Database::Mode::kReadWrite);
  copy(a_.app().db(), backup);
  a_.app().run("INSERT INTO t VALUES(1, 'one', 0)");
  unit::settle({&a_, &b_});
  b_.app().run("INSERT INTO t VALUES(2, 'two', 0)");

  copy(backup, a_.app().db());
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), "1 'one' 0\n2 'two' 0\n");
  a_.app().run("INSERT INTO t VALUES(3, 'three', 0)");
  unit::settle({&a_, &b_});
  expect_same_rows();
}

TEST_F(ApplierTest, older_backup_that_wrote_before_it_read_the_log_halts) {
  unit::settle({&a_, &b_});
  a_.app().run("INSERT INTO t VALUES(1, 'first life', 0)");
  a_.publish();  // and then the file is put back to before that
  a_.app().run("DELETE FROM t").run("DELETE FROM __colony_outbox");
  a_.app().run("INSERT INTO t VALUES(2, 'second life', 0)");
  a_.restart();
  EXPECT_NE(halt_of(a_).find("older backup of"), std::string::npos);
}

// A change of the schema by a program without the extension.
class ApplierSchemaTest : public ApplierTest {
 protected:
  ApplierSchemaTest() : plain_(b_.app().path(), Database::Mode::kReadWrite) {
    agree_on_definition(plain_, "t");
    unit::settle({&a_, &b_});
  }
  // What the others wrote is not folded into a table that is no longer the same.
  void expect_halt(const std::string& change, const std::string& why) {
    plain_.execute(change);
    const Sequence before = b_.file().position();
    a_.app().run("INSERT INTO t(k, a) VALUES(1, 'x')");
    a_.settle();
    EXPECT_NE(halt_of(b_).find(why), std::string::npos) << halt_of(b_);
    EXPECT_EQ(b_.file().position(), before);
    EXPECT_FALSE(b_.applier().is_worth_another_try());
  }

  Database plain_;
};

TEST_F(ApplierSchemaTest, a_unique_index_that_only_one_node_has_halts_it_until_it_is_gone) {
  expect_halt("CREATE UNIQUE INDEX i ON t(a)", "table t has changed: UNIQUE(a) is new");
  plain_.execute("DROP INDEX i");
  EXPECT_TRUE(b_.applier().is_worth_another_try());
  unit::settle({&a_, &b_});
  expect_same_rows();
}

TEST_F(ApplierSchemaTest, a_table_that_was_made_anew_halts_the_node_until_it_is_accepted) {
  expect_halt("CREATE TABLE n(k INTEGER PRIMARY KEY, a, b); DROP TABLE t; ALTER TABLE n RENAME TO t",
              "table t was made anew");
  create_guards(plain_, "t");
  EXPECT_TRUE(b_.applier().is_worth_another_try());
  unit::settle({&a_, &b_});
  expect_same_rows();
}

TEST_F(ApplierSchemaTest, a_change_is_noticed_while_nothing_comes) {
  plain_.execute("DROP TABLE t");
  EXPECT_NE(halt_of(b_).find("table t is gone"), std::string::npos);
}

TEST_F(ApplierSchemaTest, a_column_that_was_added_is_agreed_on) {
  plain_.execute("ALTER TABLE t ADD COLUMN c DEFAULT 7");
  a_.app().run("INSERT INTO t(k, a) VALUES(1, 'x')");
  unit::settle({&a_, &b_});
  EXPECT_EQ(b_.app().rows("t"), "1 'x' NULL 7\n");
  EXPECT_EQ(agreed_definitions(plain_)["t"], *read_table_definition(plain_.handle(), "main", "t"));
  EXPECT_TRUE(find_schema_changes(plain_).empty());
}

TEST_F(ApplierSchemaTest, nothing_of_a_changed_table_is_sent_before_the_applier_has_looked) {
  b_.app().run("INSERT INTO t VALUES(1, 'b', 0)");
  plain_.execute("CREATE UNIQUE INDEX i ON t(a)");
  EXPECT_EQ(b_.publish(), 0);
  plain_.execute("DROP INDEX i");
  EXPECT_EQ(b_.publish(), 1);
}

// What feeds it is made anew with the schema, and must not be rolled back with a round.
TEST(ApplierDerivedTest, index_is_fed_after_the_schema_has_changed) {
  constexpr const char* kIndexed =
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE VIRTUAL TABLE f USING fts5(a);"
      "CREATE TRIGGER i AFTER INSERT ON t BEGIN INSERT INTO f(rowid, a) VALUES(new.k, new.a); END";
  MemoryStream stream;
  MemorySidecar a(stream, kIndexed, "a", 1), b(stream, kIndexed, "b", 2);
  b.app().run("INSERT INTO t VALUES(1, 'first')");
  unit::settle({&a, &b});
  b.app().run("CREATE INDEX by_a ON t(a)");
  a.app().run("INSERT INTO t VALUES(2, 'second')");
  unit::settle({&a, &b});
  EXPECT_EQ(b.app().db().query_integer("SELECT rowid FROM f WHERE f MATCH 'second'"), 2);
}

// Whom it meets could not be told: the row would be changed under it.
TEST(ApplierUnfitTest, pending_transaction_that_is_wider_than_its_table_halts) {
  MemoryStream stream;
  MemorySidecar a(stream, "CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "a", 1);
  MemorySidecar b(stream, "CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "b", 2);
  unit::settle({&a, &b});
  b.app().run("SELECT colony_allow_schema_changes()");
  b.app().run("ALTER TABLE t ADD COLUMN c").run("INSERT INTO t VALUES(1, 'b', 'c')").run("ALTER TABLE t DROP COLUMN c");
  a.app().run("INSERT INTO t VALUES(1, 'a')");
  a.settle();
  try {
    b.absorb();
    ADD_FAILURE() << b.app().rows("t");
  } catch (const Halt& halt) {
    EXPECT_STREQ(halt.what(),
                 "a transaction that waits to be sent changes table t with 3 columns, and here it has 2: take that "
                 "schema change back until colony run has sent it");
  }
  EXPECT_EQ(b.app().rows("t"), "1 'b'\n");
}

}  // namespace
}  // namespace colony
