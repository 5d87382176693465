// Our changesets in the hands of SQLite's own functions, and theirs in ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <sstream>

#include "sqlite_ext/changeset.h"
#include "tests/unit/memory_node.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::MemoryFold;
using unit::MemoryNode;
using unit::shown_changes;

struct SqliteFree {
  void operator()(void* memory) const { sqlite3_free(memory); }
};

std::string taken(int size, void* bytes) {
  const std::unique_ptr<void, SqliteFree> owner(bytes);
  return std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

// A table without guards, but with triggers as inert as they are: triggers
// decide in which order SQLite visits the rows of an UPDATE.
Database unguarded(const std::string& schema) {
  Database db(unit::new_memory_path(), Database::Mode::kReadWrite);
  db.execute(schema);
  for (const std::string event : {"INSERT", "UPDATE", "DELETE"}) {
    db.execute("CREATE TRIGGER on_" + event + " AFTER " + event + " ON t WHEN 0 BEGIN SELECT 1; END");
  }
  return db;
}

// What the session extension records of `statements`.
std::string stock_changeset(const std::string& schema, const std::vector<std::string>& before,
                            const std::vector<std::string>& statements) {
  Database db = unguarded(schema);
  for (const std::string& sql : before) unit::error_of(db, sql);
  sqlite3_session* session = nullptr;
  EXPECT_EQ(sqlite3session_create(db.handle(), "main", &session), SQLITE_OK);
  sqlite3session_attach(session, nullptr);
  unit::run_transaction(statements, [&](const std::string& sql) { unit::error_of(db, sql); });
  int size = 0;
  void* bytes = nullptr;
  EXPECT_EQ(sqlite3session_changeset(session, &size, &bytes), SQLITE_OK);
  sqlite3session_delete(session);
  return taken(size, bytes);
}

std::string our_changeset(const std::string& schema, const std::vector<std::string>& before,
                          const std::vector<std::string>& statements) {
  MemoryNode node(schema);
  for (const std::string& sql : before) unit::error_of(node.db(), sql);
  const std::size_t pending = node.outbox().size();
  unit::run_transaction(statements, [&](const std::string& sql) { unit::error_of(node.db(), sql); });
  return node.outbox().size() == pending ? std::string() : node.outbox().back();
}

// The changes without an order.
std::vector<std::string> sorted_changes(const std::string& changeset) {
  std::vector<std::string> lines;
  std::istringstream text(shown_changes(changeset));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

// The rows after it; nothing where it gives up, as it does when more than two
// rows pass unique values on to one another.
std::optional<std::string> applied_by_stock(const std::string& schema, const std::vector<std::string>& before,
                                            std::string changeset) {
  Database db = unguarded(schema);
  for (const std::string& sql : before) unit::error_of(db, sql);
  const auto on_conflict = [](void*, int kind, sqlite3_changeset_iter*) {
    EXPECT_EQ(kind, SQLITE_CHANGESET_CONSTRAINT);
    return SQLITE_CHANGESET_ABORT;
  };
  const int rc = sqlite3changeset_apply(db.handle(), static_cast<int>(changeset.size()), changeset.data(), nullptr,
                                        on_conflict, nullptr);
  if (rc == SQLITE_ABORT) return std::nullopt;
  EXPECT_EQ(rc, SQLITE_OK);
  return unit::rows(db, "t");
}

std::string applied_by_fold(const std::string& schema, const std::vector<std::string>& before,
                            const std::string& changeset) {
  MemoryNode node(schema);
  for (const std::string& sql : before) unit::error_of(node.db(), sql);
  MemoryFold fold(node.path());
  EXPECT_EQ(fold.apply(changeset), "");
  return fold.rows("t");
}

std::string inverted_by_stock(const std::string& changeset) {
  int size = 0;
  void* bytes = nullptr;
  EXPECT_EQ(sqlite3changeset_invert(static_cast<int>(changeset.size()), changeset.data(), &size, &bytes), SQLITE_OK);
  return taken(size, bytes);
}

std::string combined_by_stock(const std::vector<std::string>& changesets) {
  sqlite3_changegroup* group = nullptr;
  EXPECT_EQ(sqlite3changegroup_new(&group), SQLITE_OK);
  for (std::string changeset : changesets) {
    EXPECT_EQ(sqlite3changegroup_add(group, static_cast<int>(changeset.size()), changeset.data()), SQLITE_OK);
  }
  int size = 0;
  void* bytes = nullptr;
  EXPECT_EQ(sqlite3changegroup_output(group, &size, &bytes), SQLITE_OK);
  sqlite3changegroup_delete(group);
  return taken(size, bytes);
}

const std::string kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";
const std::vector<std::string> kBefore = {"INSERT INTO t VALUES(1, 'a', NULL), (2, 'b', x'00ff'), (3, 2.5, -1)"};
const std::vector<std::string> kStatements = {"INSERT INTO t VALUES(4, NULL, 9223372036854775807)",
                                              "UPDATE t SET a = 'changed' WHERE k = 1", "DELETE FROM t WHERE k = 2",
                                              "UPDATE t SET k = 30 WHERE k = 3"};

TEST(ChangesetStock, stock_reader_sees_the_same_changes) {
  std::string ours = our_changeset(kSchema, kBefore, kStatements);
  sqlite3_changeset_iter* iterator = nullptr;
  ASSERT_EQ(sqlite3changeset_start(&iterator, static_cast<int>(ours.size()), ours.data()), SQLITE_OK);
  ChangesetReader reader(ours);
  Change change;
  while (sqlite3changeset_next(iterator) == SQLITE_ROW) {
    ASSERT_TRUE(reader.next(change));
    const char* table = nullptr;
    int columns = 0, op = 0, indirect = 0;
    sqlite3changeset_op(iterator, &table, &columns, &op, &indirect);
    EXPECT_EQ(reader.table().name, table);
    EXPECT_EQ(reader.table().columns(), static_cast<std::size_t>(columns));
    EXPECT_EQ(static_cast<int>(change.op), op);
    for (int i = 0; i < columns; ++i) {
      sqlite3_value *before = nullptr, *after = nullptr;
      if (op != SQLITE_INSERT) sqlite3changeset_old(iterator, i, &before);
      if (op != SQLITE_DELETE) sqlite3changeset_new(iterator, i, &after);
      const auto at = static_cast<std::size_t>(i);
      EXPECT_EQ(before != nullptr, op != SQLITE_INSERT && change.before[at].defined());
      EXPECT_EQ(after != nullptr, op != SQLITE_DELETE && change.after[at].defined());
      if (after != nullptr && sqlite3_value_type(after) == SQLITE_INTEGER) {
        EXPECT_EQ(sqlite3_value_int64(after), change.after[at].integer);
      }
    }
  }
  EXPECT_FALSE(reader.next(change));
  EXPECT_EQ(sqlite3changeset_finalize(iterator), SQLITE_OK);
}

TEST(ChangesetStock, capture_records_what_a_session_records) {
  const std::string ours = our_changeset(kSchema, kBefore, kStatements);
  const std::string theirs = stock_changeset(kSchema, kBefore, kStatements);
  EXPECT_EQ(sorted_changes(ours), sorted_changes(theirs));
  EXPECT_EQ(sorted_changes(ours).size(), 5u);
}

TEST(ChangesetStock, stock_invert_and_ours_agree) {
  const std::string ours = our_changeset(kSchema, kBefore, kStatements);
  EXPECT_EQ(sorted_changes(unit::inverted(ours)), sorted_changes(inverted_by_stock(ours)));
  EXPECT_EQ(sorted_changes(inverted_by_stock(unit::inverted(ours))), sorted_changes(ours));
}

TEST(ChangesetStock, stock_group_combines_our_transactions) {
  MemoryNode node(kSchema);
  node.run(kBefore[0]).run("UPDATE t SET a = 'x' WHERE k = 1").run("DELETE FROM t WHERE k = 2");
  EXPECT_EQ(sorted_changes(combined_by_stock(node.outbox())),
            (std::vector<std::string>{"t + 1 'x' NULL", "t + 3 2.5 -1"}));
}

// A stock group of one changeset is that changeset again; of it and its inverse, nothing.
TEST(ChangesetStock, changeset_and_its_inverse_come_to_nothing) {
  const std::string ours = our_changeset(kSchema, kBefore, kStatements);
  EXPECT_EQ(sorted_changes(combined_by_stock({ours})), sorted_changes(ours));
  EXPECT_EQ(sorted_changes(combined_by_stock({ours, unit::inverted(ours)})), std::vector<std::string>());
}

class RandomChangesets : public testing::TestWithParam<std::string> {};

TEST_P(RandomChangesets, mean_what_a_session_means) {
  std::string schema = GetParam();
  // A session takes a key that goes from 1 to 1.0 for an UPDATE of the key, which
  // the format has no room for. Ours is a DELETE and an INSERT.
  if (const auto untyped = schema.find("v NOT NULL"); untyped != std::string::npos) schema.insert(untyped + 1, " TEXT");
  for (std::uint32_t seed = 0; seed < unit::seeds(40); ++seed) {
    unit::RandomSql random(seed);
    const std::vector<std::string> before = random.statements(6), statements = random.statements(6);
    std::string script = "seed " + std::to_string(seed) + "\n";
    for (const std::string& sql : before) script += sql + ";\n";
    script += "BEGIN;\n";
    for (const std::string& sql : statements) script += sql + ";\n";
    SCOPED_TRACE(script);

    const std::string ours = our_changeset(schema, before, statements);
    const std::string theirs = stock_changeset(schema, before, statements);
    EXPECT_EQ(sorted_changes(ours), sorted_changes(theirs));
    EXPECT_EQ(sorted_changes(unit::inverted(theirs)), sorted_changes(inverted_by_stock(theirs)));
    const std::string expected = applied_by_fold(schema, before, ours);
    EXPECT_EQ(applied_by_fold(schema, before, theirs), expected);
    EXPECT_EQ(applied_by_stock(schema, before, theirs).value_or(expected), expected);
    EXPECT_EQ(applied_by_stock(schema, before, ours).value_or(expected), expected);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(ChangesetStock, RandomChangesets, testing::ValuesIn(unit::random_schemas()),
                         [](const auto& schema) { return "schema" + std::to_string(schema.index); });

}  // namespace
}  // namespace colony
