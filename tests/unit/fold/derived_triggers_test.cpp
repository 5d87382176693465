// What triggers feed into virtual tables is fed on every node, once, and nothing else is.
#include "replicator/fold/derived_triggers.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::MemoryFold;
using unit::MemoryNode;

// A node whose app writes, and another one with the same schema, which gets what it wrote.
class Pair {
 public:
  explicit Pair(const std::string& schema) : origin_(schema), file_(schema, "") {}

  // Each transaction of `sql` on the origin, and what the other one says of it.
  std::string run(const std::string& sql) {
    const std::size_t before = origin_.outbox().size();
    origin_.run(sql);
    const std::vector<std::string> outbox = origin_.outbox();
    std::string conflicts;
    for (std::size_t i = before; i < outbox.size(); ++i) conflicts += file_.apply(outbox[i]);
    return conflicts;
  }
  std::string refusal_of(const std::string& sql) {
    try {
      run(sql);
      return "";
    } catch (const SchemaMismatch& mismatch) {
      return std::string(mismatch.what()) + ": " + mismatch.advice();
    }
  }
  // A change of the other one's schema, by its app.
  void alter(const std::string& sql) {
    Database app = unit::open_captured(file_.db().path());
    const auto any = [](sqlite3_context* context, int, sqlite3_value** values) {
      sqlite3_result_value(context, values[0]);
    };
    sqlite3_create_function(app.handle(), "unaccent", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, any, nullptr,
                            nullptr);
    app.execute(sql);
    file_.reload();
  }
  void expect_equal(const std::string& query) {
    EXPECT_EQ(file_.rows("(" + query + ")"), origin_.rows("(" + query + ")"));
  }
  void expect_sound(const std::string& index) {
    const std::string check = "INSERT INTO " + index + "(" + index + ") VALUES('integrity-check')";
    EXPECT_EQ(unit::error_of(origin_.db(), check), "");
    EXPECT_EQ(unit::error_of(file_.db(), check), "");
  }

  MemoryNode& origin() { return origin_; }
  MemoryFold& file() { return file_; }

 private:
  MemoryNode origin_;
  MemoryFold file_;
};

constexpr const char* kMixed =
    "CREATE TABLE audit(id TEXT PRIMARY KEY DEFAULT(hex(randomblob(8))), what);"
    "CREATE TABLE t(id TEXT PRIMARY KEY, txt TEXT);"
    "CREATE VIRTUAL TABLE f USING fts5(txt, content='t');"
    "CREATE VIRTUAL TABLE terms USING fts5vocab(f, 'instance');"
    "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO f(rowid, txt) VALUES(new.rowid, new.txt);"
    "  INSERT INTO audit(what) VALUES('new ' || new.id); END;"
    "CREATE TRIGGER ad AFTER DELETE ON t BEGIN"
    "  INSERT INTO f(f, rowid, txt) VALUES('delete', old.rowid, old.txt); END;";

TEST(DerivedTriggers, trigger_that_feeds_an_index_and_a_table_does_each_once) {
  Pair pair(kMixed);
  EXPECT_EQ(pair.run("INSERT INTO t VALUES('a', 'one two'); INSERT INTO t VALUES('b', 'two three')"), "");
  pair.expect_equal("SELECT term, doc FROM terms");
  pair.expect_equal("SELECT * FROM audit");
  EXPECT_EQ(pair.run("DELETE FROM t WHERE id = 'a'"), "");
  pair.expect_equal("SELECT term, doc FROM terms");
  pair.expect_equal("SELECT * FROM audit");
  pair.expect_sound("f");
}

// The app never updates, and has no trigger for it; two nodes may insert the same key.
TEST(DerivedTriggers, row_that_an_insert_meets_leaves_the_index_too) {
  Pair pair(kMixed);
  pair.file().db().execute("INSERT INTO t VALUES('a', 'here'); INSERT INTO f(rowid, txt) VALUES(1, 'here')");
  EXPECT_EQ(pair.run("INSERT INTO t VALUES('a', 'there')"),
            "insert_exists t {\"id\":\"a\"} {\"id\":\"a\",\"txt\":\"here\"}\n");
  EXPECT_EQ(pair.file().rows("(SELECT term FROM terms)"), "'there'\n");
  pair.expect_sound("f");
}

TEST(DerivedTriggers, chain_of_triggers_feeds_once) {
  Pair pair(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE log(k INTEGER PRIMARY KEY, what);"
      "CREATE TABLE local(what); CREATE VIRTUAL TABLE f USING fts5(what);"
      "CREATE TRIGGER first AFTER INSERT ON t BEGIN INSERT INTO log(what) VALUES('t ' || new.a);"
      "  INSERT INTO local VALUES(new.a); END;"
      "CREATE TRIGGER second AFTER INSERT ON log BEGIN INSERT INTO f(rowid, what) VALUES(new.k, new.what); END");
  EXPECT_EQ(pair.run("INSERT INTO t VALUES(1, 'x'); INSERT INTO t VALUES(2, 'y')"), "");
  pair.expect_equal("SELECT rowid, what FROM f");
  EXPECT_EQ(pair.file().rows("f"), "'t x'\n't y'\n");
  EXPECT_EQ(pair.file().rows("local"), "");  // it is not replicated
}

// The conflict clause of a statement that fires a trigger decides for what the trigger does.
TEST(DerivedTriggers, rows_that_a_trigger_replaces_are_replaced) {
  Pair pair(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE VIRTUAL TABLE f USING fts5(a);"
      "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO f(rowid, a) VALUES(new.k, new.a); END;"
      "CREATE TRIGGER au AFTER UPDATE ON t BEGIN REPLACE INTO f(rowid, a) VALUES(new.k, new.a); END");
  EXPECT_EQ(pair.run("INSERT INTO t VALUES(1, 'x'); UPDATE t SET a = 'y'"), "");
  pair.expect_equal("SELECT rowid, a FROM f");
}

TEST(DerivedTriggers, rtree_and_contentless_index_and_old_values) {
  Pair pair(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT, x REAL, seen INTEGER DEFAULT 0);"
      "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); CREATE VIRTUAL TABLE f USING fts5(a, content='');"
      "CREATE VIRTUAL TABLE terms USING fts5vocab(f, 'instance');"
      "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO r VALUES(new.k, new.x, new.x + 1);"
      "  UPDATE t SET seen = seen + 1 WHERE k = new.k; INSERT INTO f(rowid, a) VALUES(new.k, new.a); END;"
      "CREATE TRIGGER au AFTER UPDATE OF a, x ON t FOR EACH ROW WHEN old.a IS NOT new.a OR old.x <> new.x BEGIN"
      "  UPDATE r SET x0 = new.x, x1 = new.x + 1 WHERE id = old.k; SELECT RAISE(ABORT, 'no') WHERE new.x < 0;"
      "  INSERT INTO f(f, rowid, a) VALUES('delete', old.k, old.a); UPDATE t SET seen = 9 WHERE k = new.k;"
      "  INSERT INTO f(rowid, a) SELECT new.k, new.a; END;"
      "CREATE TRIGGER ad BEFORE DELETE ON t BEGIN DELETE FROM r WHERE id = old.k;"
      "  INSERT INTO f(f, rowid, a) VALUES('delete', old.k, old.a); END");
  for (const char* sql :
       {"INSERT INTO t(k, a, x) VALUES(1, 'one two', 5), (2, 'two', 7)", "UPDATE t SET a = 'three', x = 6 WHERE k = 1",
        "UPDATE t SET seen = 3", "DELETE FROM t WHERE k = 2"}) {
    EXPECT_EQ(pair.run(sql), "");
    pair.expect_equal("SELECT * FROM t");
    pair.expect_equal("SELECT * FROM r");
    pair.expect_equal("SELECT term, doc FROM terms");
  }
}

TEST(DerivedTriggers, trigger_that_ends_itself_early_does_so_everywhere) {
  Pair pair(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a, hidden); CREATE TABLE log(k INTEGER PRIMARY KEY, what);"
      "CREATE VIRTUAL TABLE f USING fts5(a);"
      "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO log(what) VALUES(new.a);"
      "  SELECT RAISE(IGNORE) WHERE new.hidden; INSERT INTO f(rowid, a) VALUES(new.k, new.a); END");
  EXPECT_EQ(pair.run("INSERT INTO t VALUES(1, 'x', 0), (2, 'y', 1), (3, 'z', 0)"), "");
  pair.expect_equal("SELECT * FROM t");
  pair.expect_equal("SELECT rowid, a FROM f");
  pair.expect_equal("SELECT * FROM log");
}

constexpr const char* kPlain =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE other(k INTEGER PRIMARY KEY, a);"
    "CREATE VIRTUAL TABLE f USING fts5(a);";

TEST(DerivedTriggers, table_whose_trigger_only_the_app_can_run_is_refused_and_no_other) {
  for (const char* trigger :
       {"CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO f(rowid, a) VALUES(new.k, unaccent(new.a)); END",
        "CREATE TRIGGER ai AFTER INSERT ON t WHEN unaccent(new.a) > '' BEGIN"
        "  INSERT INTO f(rowid, a) VALUES(new.k, new.a); END"}) {
    Pair pair(kPlain);
    pair.alter(trigger);
    EXPECT_EQ(pair.run("INSERT INTO other VALUES(1, 'x')"), "");
    const std::string refusal = pair.refusal_of("INSERT INTO t VALUES(1, 'x')");
    EXPECT_NE(refusal.find("changes table t, whose trigger ai feeds the virtual table f and uses the function "
                           "unaccent(), which only the app has: "),
              std::string::npos)
        << refusal;
    pair.alter("DROP TRIGGER ai");
    EXPECT_EQ(pair.run("INSERT INTO t VALUES(2, 'x')"), "");
  }
}

TEST(DerivedTriggers, trigger_of_the_apps_that_feeds_ordinary_tables_only_is_left_to_the_origin) {
  Pair pair(kPlain);
  pair.alter(
      "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO other(a) VALUES(unaccent(new.a));"
      "  UPDATE other SET a = unaccent(a) WHERE unaccent(a); END");
  EXPECT_EQ(pair.refusal_of("INSERT INTO t VALUES(1, 'x')"), "");
  EXPECT_EQ(pair.file().rows("other"), "");
}

TEST(DerivedTriggers, function_of_the_apps_in_an_ordinary_statement_does_not_stop_the_others) {
  Pair pair(kPlain);
  pair.alter(
      "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO other(a) VALUES(unaccent(new.a));"
      "  INSERT INTO f(rowid, a) VALUES(new.k, new.a); END");
  EXPECT_EQ(pair.refusal_of("INSERT INTO t VALUES(1, 'x')"), "");
  EXPECT_EQ(pair.file().rows("f"), "'x'\n");
}

TEST(DerivedTriggers, what_cannot_be_told_apart_is_refused_by_name) {
  struct Case {
    const char* sql;
    const char* why;
  };
  for (const Case& c :
       {Case{"CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO other(a) VALUES(new.a);"
             "  INSERT INTO f(rowid, a) VALUES(last_insert_rowid(), new.a); END",
             "whose trigger x feeds the virtual table f and asks there what another statement of it has inserted"},
        Case{"CREATE TRIGGER x AFTER DELETE ON t BEGIN SELECT RAISE(IGNORE) WHERE old.a; DELETE FROM f; END",
             "whose trigger x feeds the virtual table f and uses RAISE(IGNORE) after a DELETE"},
        Case{"CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO f(a) SELECT RAISE(ABORT, 'no') WHERE new.a; END",
             "whose trigger x feeds the virtual table f and uses RAISE() there"},
        Case{"CREATE VIEW v AS SELECT * FROM t; CREATE VIEW w AS SELECT * FROM v;"
             "CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO f(a) VALUES(new.a); END;"
             "CREATE TRIGGER wi INSTEAD OF INSERT ON w BEGIN INSERT INTO v(a) VALUES(new.a); END;"
             "CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO w(a) VALUES(new.a); END",
             "whose trigger x feeds the virtual table f by way of the view w"},
        Case{"CREATE VIEW v AS SELECT * FROM t; CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN"
             "  INSERT INTO T VALUES(new.k, new.a); INSERT INTO f(a) VALUES(new.a); END",
             "whose view v has the trigger vi, which writes the table and feeds the virtual table f in one"}}) {
    Pair pair(kPlain);
    pair.alter(c.sql);
    const std::string refusal = pair.refusal_of("INSERT INTO t VALUES(1, 'x')");
    EXPECT_NE(refusal.find(c.why), std::string::npos) << c.sql << "\n" << refusal;
    EXPECT_EQ(pair.refusal_of("INSERT INTO other VALUES(1, 'x')"), "");
  }
}

TEST(DerivedTriggers, index_that_does_not_match_is_called_that_and_not_a_damaged_file) {
  Pair pair(kMixed);
  pair.run("INSERT INTO t VALUES('a', 'one two')");
  pair.file().db().execute("INSERT INTO f(f) VALUES('delete-all')");
  const std::string refusal = pair.refusal_of("DELETE FROM t");
  EXPECT_EQ(refusal,
            "changes table t, and the index of the virtual table f, which its triggers feed, does not match its rows "
            "(the file itself is sound): rebuild it with INSERT INTO f(f) VALUES('rebuild'), and this node goes on by "
            "itself");
  pair.file().db().execute("INSERT INTO f(f) VALUES('rebuild')");
  EXPECT_EQ(pair.file().apply(pair.origin().outbox().back()), "");
  pair.expect_sound("f");
}

TEST(DerivedTriggers, index_made_later_that_only_the_app_can_compute_is_told) {
  Pair pair(kPlain);
  pair.alter("CREATE INDEX by_plain ON t(unaccent(a))");
  const std::string refusal = pair.refusal_of("INSERT INTO t VALUES(1, 'x')");
  EXPECT_NE(refusal.find("changes table t, which uses the function unaccent(), which only the app has: "),
            std::string::npos)
      << refusal;
}

// Triggers at random that keep an index which is a function of the rows, among statements
// that have nothing to do with it and look like more than they are.
class RandomTriggers {
 public:
  explicit RandomTriggers(std::uint32_t seed) : random_(seed) {}

  std::string schema() {
    external_ = below(2) == 0;
    conditional_ = below(2) == 0;
    shown_ = external_ || below(2) == 0 ? "%.a" : "%.a || ' ' || coalesce(%.b, 'none; END')";
    std::string sql =
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT, b, n INTEGER DEFAULT 0);"
        "CREATE TABLE log(id INTEGER PRIMARY KEY, what); CREATE TABLE counter(id INTEGER PRIMARY KEY, n);"
        "CREATE VIRTUAL TABLE \"in dex\" USING fts5(a" +
        std::string(external_ ? ", content='t', content_rowid='k'" : "") +
        "); CREATE VIRTUAL TABLE terms USING fts5vocab(\"in dex\", 'instance');"
        "CREATE VIRTUAL TABLE logged USING fts5(what);";
    sql += trigger("AFTER INSERT", "new", {put_in("new")});
    sql += trigger("AFTER DELETE", "old", {take_out("old")});
    if (conditional_ || below(2) == 0) {
      sql += trigger("BEFORE UPDATE", "old", {take_out("old")}) + trigger("AFTER UPDATE", "new", {put_in("new")});
    } else {
      sql += trigger("AFTER UPDATE", "new", {take_out("old"), put_in("new")});
    }
    if (below(2) == 0) {
      sql +=
          "CREATE TRIGGER chained AFTER INSERT ON log BEGIN INSERT INTO logged(rowid, what) VALUES(new.id, new.what); "
          "END;"
          "CREATE TRIGGER unchained AFTER DELETE ON log BEGIN DELETE FROM logged WHERE rowid = old.id; END;";
    }
    return sql;
  }

  std::string transaction() {
    std::string sql = "BEGIN;";
    for (std::uint32_t i = 0; i <= below(4); ++i) sql += change() + ";";
    return sql + "COMMIT";
  }

 private:
  std::uint32_t below(std::uint32_t n) { return random_.below(n); }
  const char* one_of(std::initializer_list<const char*> choices) {
    return choices.begin()[below(static_cast<std::uint32_t>(choices.size()))];
  }
  static std::string with(std::string text, const std::string& row) {
    for (std::size_t at; (at = text.find('%')) != std::string::npos;) text.replace(at, 1, row);
    return text;
  }
  std::string index() { return one_of({"\"in dex\"", "[in dex]", "`IN DEX`", "\"In Dex\" /* ; */"}); }

  std::string put_in(const std::string& row) {
    const std::string into = std::string(one_of({"INSERT INTO ", "INSERT OR ABORT INTO "})) + index() + "(rowid, a) ";
    return into + (below(2) == 0 ? "VALUES(" + row + ".k, " + with(shown_, row) + ")"
                                 : "SELECT " + row + ".k, " + with(shown_, row) + " WHERE 'END;' = 'END;'");
  }
  std::string take_out(const std::string& row) {
    if (!external_) return "DELETE FROM " + index() + " WHERE rowid = " + row + ".k";
    return "INSERT INTO " + index() + "(\"in dex\", rowid, a) VALUES('delete', " + row + ".k, " + with(shown_, row) +
           ")";
  }
  std::string noise(const std::string& row) {
    return with(one_of({"INSERT INTO log(what) VALUES('in dex; ' || %.a)",
                        "INSERT INTO log(what) SELECT 'INSERT INTO \"in dex\"'",
                        "UPDATE OR IGNORE counter SET n = CASE WHEN n > 3 THEN 'END' ELSE n END",
                        "INSERT INTO counter VALUES(1, 1) ON CONFLICT(id) DO UPDATE SET n = counter.n + 1",
                        "SELECT RAISE(ABORT, 'never; END') WHERE %.k IS NULL",
                        "WITH w(x) AS (VALUES(1), (2)) SELECT max(x) FROM w -- INSERT INTO \"in dex\"; \n",
                        "DELETE FROM counter WHERE id > 1 AND n = (SELECT ';' || (SELECT max(n) FROM counter))"}),
                row);
  }
  std::string trigger(const std::string& event, const std::string& row, const std::vector<std::string>& statements) {
    std::string sql = "CREATE TRIGGER [t " + std::to_string(++triggers_) + "] " + event + " ON t " +
                      one_of({"", "FOR EACH ROW "}) + (conditional_ ? "WHEN " + row + ".a > 'm' " : "") + "BEGIN ";
    for (const std::string& statement : statements) {
      while (below(2) == 0) sql += noise(row) + one_of({";", " ;", "; -- END;\n"});
      sql += statement + one_of({"; ", ";/* BEGIN */"});
    }
    while (below(2) == 0) sql += noise(row) + "; ";
    // Elsewhere the nested update would fire one of two triggers only.
    const bool may_touch_row = event == "AFTER INSERT" || statements.size() == 2;
    if (may_touch_row && below(2) == 0) sql += "UPDATE t SET n = n + 1 WHERE k = " + row + ".k;";
    return sql + "END;";
  }

  std::string key() { return std::to_string(below(6)); }
  std::string word() { return std::string("'") + one_of({"apple", "melon", "plum pear", "zebra", "nut"}) + "'"; }
  std::string change() {
    switch (below(5)) {
      case 0:
      case 1:
        return "INSERT INTO t(k, a, b) SELECT " + key() + ", " + word() + ", " + word() +
               " WHERE NOT EXISTS (SELECT 1 FROM t WHERE k = " + key() + ") ON CONFLICT DO NOTHING";
      case 2:
        return "UPDATE t SET a = " + word() + " WHERE k = " + key();
      case 3:
        return "UPDATE t SET a = " + word() + ", b = " + word() + " WHERE k > " + key();
      default:
        return "DELETE FROM t WHERE k = " + key();
    }
  }

  unit::RandomSql random_;
  bool external_ = false, conditional_ = false;
  std::string shown_;
  int triggers_ = 0;
};

TEST(DerivedTriggers, index_of_random_triggers_is_the_origins_after_every_transaction_and_after_its_undo) {
  for (std::uint32_t seed = 0; seed < unit::seeds(60); ++seed) {
    RandomTriggers random(seed);
    const std::string schema = random.schema();
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + schema);
    Pair pair(schema);
    const std::string index = "SELECT term, doc, col, offset FROM terms";
    for (int i = 0; i < 8; ++i) {
      const std::string before = pair.file().rows("(" + index + ")");
      const std::string sql = random.transaction();
      const std::size_t known = pair.origin().outbox().size();
      ASSERT_EQ(pair.run(sql), "") << sql;
      for (const char* table : {"t", "log", "counter", "logged"})
        pair.expect_equal(std::string("SELECT * FROM ") + table);
      pair.expect_equal(index);
      pair.expect_sound("\"in dex\"");
      if (testing::Test::HasFailure()) FAIL() << sql;
      const std::vector<std::string> outbox = pair.origin().outbox();
      if (outbox.size() == known) continue;
      pair.file().apply(unit::inverted(outbox.back()));
      ASSERT_EQ(pair.file().rows("(" + index + ")"), before) << sql;
      pair.file().apply(outbox.back());
    }
  }
}

}  // namespace
}  // namespace colony
