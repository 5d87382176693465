// The proof: what the replicated rows are at a position, whatever is pending.
#include "replicator/compare/proof.h"

#include <gtest/gtest.h>

#include <set>

#include "replicator/apply/rebase.h"
#include "replicator/repair/checker.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/changeset.h"
#include "tests/unit/memory_node.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::MemoryNode;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

ProofEntry proof_of(MemoryNode& node) { return ProofSnapshot(node.path(), 1, Sequence(0)).compute(); }

std::string shown(const ProofEntry& proof) {
  std::string out;
  for (const ProofEntry::Table& table : proof.tables) {
    out += table.name + " " + std::to_string(table.hash) + " " + std::to_string(table.rows) + "\n";
  }
  return out;
}

// The proof of a file with these rows, none of which is pending.
std::string settled(const std::string& rows, const std::string& schema = kSchema) {
  MemoryNode node(schema);
  node.run(rows).run("DELETE FROM __colony_outbox");
  return shown(proof_of(node));
}

// The proof of a file in which `pending` waits on top of these rows.
std::string with_pending(const std::string& rows, const std::string& pending, const std::string& schema = kSchema) {
  MemoryNode node(schema);
  node.run(rows).run("DELETE FROM __colony_outbox").run(pending);
  EXPECT_FALSE(node.outbox().empty());
  return shown(proof_of(node));
}

TEST(Proof, answers_the_question_it_was_asked) {
  MemoryNode node(kSchema);
  node.run("UPDATE __colony_meta SET value = 9 WHERE key = 'position'");
  const ProofEntry proof = ProofSnapshot(node.path(), 77, Sequence(9)).compute();
  EXPECT_EQ(proof.id, 77u);
  EXPECT_EQ(proof.position, Sequence(9));
  ASSERT_EQ(proof.tables.size(), 1u);
  EXPECT_EQ(proof.tables[0].name, "t");
  EXPECT_EQ(proof.tables[0].rows, 0u);
}

TEST(Proof, equal_rows_give_equal_numbers_however_they_came) {
  const std::string one = settled("INSERT INTO t VALUES(1, 'a', 2.5), (2, x'00', NULL)");
  EXPECT_EQ(settled("INSERT INTO t VALUES(2, x'00', NULL); INSERT INTO t VALUES(7, 7, 7), (1, 'a', 0);"
                    "UPDATE t SET b = 2.5 WHERE k = 1; DELETE FROM t WHERE k = 7; VACUUM"),
            one);
  EXPECT_EQ(settled("INSERT INTO t VALUES(1, 'a', 2.5), (2, x'00', NULL); CREATE TABLE keyless(a);"
                    "INSERT INTO keyless VALUES(1); CREATE INDEX i ON t(a)"),
            one);
}

// Programs can write such rows in wal mode, and no other node can have them.
TEST(Proof, rows_with_null_in_the_key_are_no_part_of_it) {
  const std::string schema = "CREATE TABLE t(a TEXT, b TEXT, n, PRIMARY KEY(a, b))";
  MemoryNode node(schema);
  node.run("INSERT INTO t VALUES('a', 'b', 1), ('c', 'd', 2); DELETE FROM __colony_outbox");
  const std::string whole = shown(proof_of(node));
  const auto range = [&] {
    ReplicatedSchema replicated;
    replicated.load(node.db());
    std::string low, high;
    for (const char* value : {"a", "a"}) append_value(low, Value::of_text(value));
    for (const char* value : {"z", "z"}) append_value(high, Value::of_text(value));
    const CheckRange asked{"t", replicated.find("t")->shape(3), 3, low, high};
    return shown(ProofSnapshot(node.path(), 1, Sequence(0)).compute({asked}, [] {}));
  };
  const std::string part = range();
  unit::put_into_mode(node.path(), CaptureMode::kWal);
  node.run("INSERT INTO t VALUES(NULL, 'b', 1), ('b', NULL, 1), (NULL, NULL, 1)");
  EXPECT_EQ(shown(proof_of(node)), whole);
  EXPECT_EQ(range(), part);
}

// As the fold would: each node would compute another value.
TEST(Proof, pending_delete_without_a_column_whose_default_is_not_constant_proves_null) {
  const std::string schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, r DEFAULT (random()))";
  MemoryNode node(schema);
  const std::string older = unit::changeset_at_origin("CREATE TABLE t(k INTEGER PRIMARY KEY, a)",
                                                      "INSERT INTO t VALUES(1, 'a')", "DELETE FROM t");
  Statement insert(node.db(), "INSERT INTO __colony_outbox(piece, last, shape, changeset) VALUES(1, 1, 0, ?1)");
  insert.bind_blob(1, older).run();
  EXPECT_EQ(shown(proof_of(node)), settled("INSERT INTO t VALUES(1, 'a', NULL)", schema));
}

TEST(Proof, rowids_do_not_count) {
  const std::string schema = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)";
  EXPECT_EQ(settled("INSERT INTO t(rowid, k) VALUES(1, 'x'), (2, 'y')", schema),
            settled("INSERT INTO t(rowid, k) VALUES(10, 'y'), (20, 'x')", schema));
}

TEST(Proof, every_difference_counts) {
  std::set<std::string> proofs;
  for (const char* rows :
       {"SELECT 1", "INSERT INTO t VALUES(1, 'a', 1)", "INSERT INTO t VALUES(1, 'A', 1)",
        "INSERT INTO t VALUES(1, x'61', 1)", "INSERT INTO t VALUES(1, 'a', 1.0)", "INSERT INTO t VALUES(1, 'a', '1')",
        "INSERT INTO t VALUES(1, 'a', NULL)", "INSERT INTO t VALUES(2, 'a', 1)", "INSERT INTO t VALUES(1, 1, 'a')",
        "INSERT INTO t VALUES(1, 'a', 0.0)", "INSERT INTO t VALUES(1, 'a', -0.0)",
        "INSERT INTO t VALUES(1, 'a' || char(0), 1)", "INSERT INTO t VALUES(1, 'a', 1), (2, 'a', 1)"}) {
    EXPECT_TRUE(proofs.insert(settled(rows)).second) << rows;
  }
}

TEST(Proof, values_that_move_between_rows_count) {
  EXPECT_NE(settled("INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 1)"),
            settled("INSERT INTO t VALUES(1, 'b', 1), (2, 'a', 1)"));
}

TEST(Proof, pending_transactions_are_taken_out) {
  const std::string rows = "INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)";
  for (const char* pending :
       {"INSERT INTO t VALUES(4, 'd', 4)", "DELETE FROM t WHERE k = 1", "UPDATE t SET a = 'x'",
        "UPDATE t SET k = k + 10",
        "UPDATE t SET a = 'x'; UPDATE t SET b = 'y'; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES(2, 1, 1)",
        "INSERT INTO t VALUES(4, 1, 1); UPDATE t SET a = 5 WHERE k = 4; DELETE FROM t WHERE k = 4",
        "DELETE FROM t; INSERT INTO t VALUES(1, 'again', 1)", "INSERT INTO t VALUES(9, zeroblob(200000), 0)",
        "BEGIN; UPDATE t SET k = 9 WHERE k = 1; UPDATE t SET k = 1 WHERE k = 2; COMMIT; UPDATE t SET a = 0"}) {
    EXPECT_EQ(with_pending(rows, pending), settled(rows)) << pending;
  }
}

TEST(Proof, pending_change_of_case_in_a_nocase_key_is_taken_out) {
  const std::string schema = "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)";
  const std::string rows = "INSERT INTO t VALUES('key', 1), ('other', 2)";
  EXPECT_EQ(with_pending(rows, "UPDATE t SET k = 'KEY' WHERE k = 'key'", schema), settled(rows, schema));
  EXPECT_EQ(with_pending(rows, "UPDATE t SET k = upper(k); UPDATE t SET a = 5 WHERE k = 'KEY'; DELETE FROM t", schema),
            settled(rows, schema));
}

TEST(Proof, pending_change_of_a_key_from_integer_to_real_is_taken_out) {
  const std::string schema = "CREATE TABLE t(k PRIMARY KEY NOT NULL, a)";
  EXPECT_EQ(with_pending("INSERT INTO t VALUES(1, 1)", "UPDATE t SET k = 1.0", schema),
            settled("INSERT INTO t VALUES(1, 1)", schema));
}

// Somebody else's row came under the pending insert: what the redo changed was
// that row, and it is what remains without it.
TEST(Proof, pending_transaction_is_taken_out_as_its_redo_changed_it) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'here', 1)");
  Database db = open_for_fold(node.path());
  NodeFile file(db);
  ReplicatedSchema schema;
  schema.load(db);
  Fold fold(db, schema);
  ConflictJournal journal(db);
  PendingTransactions pending;
  pending.add(ChunkNumber(1), ChunkNumber(1), {});
  {
    WriteTransaction transaction(db);
    Rebase rebase(file, fold, schema, journal, pending);
    rebase.undo({ChunkNumber(1)});
    rebase.apply_foreign(Sequence(1), "b", ChunkNumber(1),
                         unit::changeset_at_origin(kSchema, "", "INSERT INTO t VALUES(1, 'there', 2)"),
                         combine_shapes(0, schema.find("t")->shape(3)));
    rebase.redo_rest();
    transaction.commit();
  }
  EXPECT_EQ(node.rows("t"), "1 'here' 1\n");
  EXPECT_EQ(shown(proof_of(node)), settled("INSERT INTO t VALUES(1, 'there', 2)"));
}

TEST(Proof, pending_delete_from_before_a_column_was_added_gives_back_its_default) {
  for (const std::string column :
       {"TEXT DEFAULT 7", "REAL DEFAULT 7", "DEFAULT x'00'", "DEFAULT \"word\"", "DEFAULT -1",
        "INTEGER NOT NULL DEFAULT '5'", "VARCHAR(10) DEFAULT 'it''s'", "DATE", "DEFAULT (3)"}) {
    MemoryNode node(kSchema);
    node.run("INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2)").run("DELETE FROM __colony_outbox");
    node.run("DELETE FROM t WHERE k = 1; ALTER TABLE t ADD COLUMN later " + column);
    EXPECT_EQ(shown(proof_of(node)), settled("INSERT INTO t(k, a, b) VALUES(1, 'a', 1), (2, 'b', 2)",
                                             "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, later " + column + ")"))
        << column;
  }
}

TEST(Proof, pending_update_from_before_a_column_was_added_leaves_that_column) {
  const std::string now = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, later DEFAULT 7)";
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a', 1)").run("DELETE FROM __colony_outbox");
  node.run("UPDATE t SET a = 'x'; ALTER TABLE t ADD COLUMN later DEFAULT 7");
  EXPECT_EQ(shown(proof_of(node)), settled("INSERT INTO t(k, a, b) VALUES(1, 'a', 1)", now));
}

TEST(Proof, foreign_keys_that_point_nowhere_are_counted) {
  MemoryNode node("CREATE TABLE p(k INTEGER PRIMARY KEY); CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p)");
  node.run("INSERT INTO c VALUES(1, 5), (2, NULL), (3, 6)");
  EXPECT_EQ(proof_of(node).foreign_key_violations, 2u);
}

ProofEntry share_of(MemoryNode& node, const CheckRange& range) {
  return ProofSnapshot(node.path(), 1, Sequence(0)).compute(std::vector<CheckRange>{range});
}

std::uint64_t shape_of(std::initializer_list<std::string> columns) { return table_shape(columns, columns.size()); }

std::string bound(std::int64_t key) {
  std::string bytes;
  append_value(bytes, Value::of_integer(key));
  return bytes;
}

TEST(Proof, share_has_the_rows_after_the_lower_bound_up_to_the_upper) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t(k) VALUES(1), (2), (3), (4), (5)").run("DELETE FROM __colony_outbox");
  const std::uint64_t shape = shape_of({"k", "a", "b"});
  const auto rows = [&](const std::string& low, const std::string& high) {
    return share_of(node, {"t", shape, 3, low, high}).tables.at(0).rows;
  };
  EXPECT_EQ(rows("", ""), 5u);
  EXPECT_EQ(rows("", bound(2)), 2u);
  EXPECT_EQ(rows(bound(2), bound(4)), 2u);
  EXPECT_EQ(rows(bound(4), ""), 1u);
  node.run("DELETE FROM t WHERE k = 3; UPDATE t SET k = 30 WHERE k = 4");  // pending
  EXPECT_EQ(rows(bound(2), bound(4)), 2u);
  EXPECT_EQ(rows(bound(4), ""), 1u);
}

TEST(Proof, share_is_of_the_columns_that_the_asker_has) {
  const std::uint64_t shape = shape_of({"k", "a", "b"});
  MemoryNode narrow(kSchema), wide("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, later DEFAULT 7)");
  for (MemoryNode* node : {&narrow, &wide}) {
    node->run("INSERT INTO t(k, a) VALUES(1, 'a')").run("DELETE FROM __colony_outbox");
    node->run("UPDATE t SET b = 'pending'; INSERT INTO t(k) VALUES(2)");
  }
  EXPECT_EQ(shown(share_of(narrow, {"t", shape, 3, "", ""})), shown(share_of(wide, {"t", shape, 3, "", ""})));
  EXPECT_EQ(shown(share_of(narrow, {"t", shape_of({"k", "a", "b", "later"}), 4, "", ""})), "");
}

TEST(Proof, what_cannot_be_compared_is_left_out) {
  MemoryNode node(kSchema);
  const std::uint64_t shape = shape_of({"k", "a", "b"});
  EXPECT_EQ(shown(share_of(node, {"other", shape, 3, "", ""})), "");
  EXPECT_EQ(shown(share_of(node, {"t", shape + 1, 3, "", ""})), "");
  EXPECT_EQ(shown(share_of(node, {"t", shape_of({}), 0, "", ""})), "");
  EXPECT_EQ(shown(share_of(node, {"t", shape, 3, "\x09", ""})), "");               // no value
  EXPECT_EQ(shown(share_of(node, {"t", shape, 3, bound(1) + bound(2), ""})), "");  // too many
}

class ProofProperty : public testing::TestWithParam<std::string> {};

TEST_P(ProofProperty, whatever_is_pending_the_proof_stays) {
  for (std::uint32_t seed = 0; seed < unit::seeds(40); ++seed) {
    unit::RandomSql random(seed);
    MemoryNode node(GetParam());
    for (const std::string& sql : random.statements(6)) unit::error_of(node.db(), sql);
    node.run("DELETE FROM __colony_outbox");
    const std::string before = shown(proof_of(node));
    std::string script;
    for (const std::string& sql : random.statements(8)) {
      unit::error_of(node.db(), sql);
      script += sql + ";\n";
    }
    ASSERT_EQ(shown(proof_of(node)), before) << "seed " << seed << "\n" << script;
  }
}

// Asked for share by share, with transactions pending in and beside each.
TEST_P(ProofProperty, shares_add_up_to_the_whole) {
  using namespace std::chrono_literals;
  for (std::uint32_t seed = 0; seed < unit::seeds(20); ++seed) {
    unit::RandomSql random(seed);
    MemoryNode node(GetParam());
    for (const std::string& sql : random.statements(20)) unit::error_of(node.db(), sql);
    node.run("DELETE FROM __colony_outbox");
    for (const std::string& sql : random.statements(5)) unit::error_of(node.db(), sql);
    std::map<std::string, ProofEntry::Table> sums;
    Checker::Clock::time_point now{};
    Checker checker(node.path(), {.every = 1000s, .share_bytes_min = 1 + seed * 20}, now);
    bool has_begun = false;
    for (std::uint64_t n = 1;; ++n) {
      now += 1000s;
      const auto question = checker.next(now, std::chrono::nanoseconds(now.time_since_epoch()).count());
      ASSERT_TRUE(question) << "seed " << seed << ", question " << n;
      if (std::exchange(has_begun, true) && question->kind == CheckKind::kBegins) break;
      for (const auto& table : ProofSnapshot(node.path(), 1, Sequence(0)).compute(question->ranges).tables) {
        ProofEntry::Table& sum = sums[table.name];
        sum = {table.name, sum.hash + table.hash, sum.rows + table.rows};
      }
      CheckRecords(node.db()).ask(Sequence(n), static_cast<std::int64_t>(n), *question);
    }
    ProofEntry whole;
    for (const auto& [name, table] : sums) whole.tables.push_back(table);
    ASSERT_EQ(shown(whole), shown(proof_of(node))) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Schemas, ProofProperty, testing::ValuesIn(unit::random_schemas()),
                         [](const auto& schema) { return "schema" + std::to_string(schema.index); });

}  // namespace
}  // namespace colony
