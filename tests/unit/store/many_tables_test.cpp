// What takes time in proportion to the number of tables, told by the steps of SQLite's
// virtual machine: twice the tables are less than three times the steps. A look through
// sqlite_schema for each table would make them four times as many.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>

#include "replicator/apply/folded_file.h"
#include "replicator/compare/foreign_keys.h"
#include "replicator/compare/proof.h"
#include "replicator/compare/table_comparison.h"
#include "replicator/membership/enrollment.h"
#include "replicator/store/schema_agreement.h"
#include "sqlite_ext/capture.h"
#include "tests/unit/memory_node.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

// Counts the steps of all statements of all connections that are opened while it lives.
class Steps {
 public:
  Steps() {
    count_ = 0;
    sqlite3_auto_extension(entry());
  }
  ~Steps() { sqlite3_cancel_auto_extension(entry()); }
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  std::int64_t count() const { return count_; }

 private:
  static void (*entry())() { return reinterpret_cast<void (*)()>(&Steps::on_open); }
  static int on_open(sqlite3* db, char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, &Steps::on_end, nullptr);
  }
  static int on_end(unsigned, void*, void* statement, void*) {
    count_ += sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
  }

  static inline std::int64_t count_ = 0;
};

constexpr int kTables = 100;

// Files with so many tables, enrolled, in WAL mode.
class ManyTables : public testing::Test {
 protected:
  std::string make(int tables) {
    const std::string path = folder_ / (std::to_string(++files_) + ".db");
    { const std::ofstream empty(path); }
    Database db = unit::open_captured(path);
    std::string sql = "BEGIN;";
    for (int i = 0; i < tables; ++i) {
      const std::string name = "t" + std::to_string(i);
      sql += "CREATE TABLE " + name + "(k TEXT PRIMARY KEY, a, b UNIQUE, c REFERENCES " + name + "(k));";
      sql += "CREATE UNIQUE INDEX " + name + "_part ON " + name + "(a) WHERE a > 0;";
      sql += "INSERT INTO " + name + " VALUES('x', 1, 2, 'x');";
    }
    db.execute(sql + "COMMIT");
    return path;
  }
  std::string enrolled(int tables) {
    const std::string path = make(tables);
    enroll(path);
    return path;
  }
  static void enroll(const std::string& path) { colony::enroll({path, "team", "north", std::nullopt}); }

  static std::int64_t steps_of(const std::string& path, const std::function<void(const std::string&)>& what) {
    const Steps steps;
    what(path);
    return steps.count();
  }
  void expect_linear(const std::function<void(const std::string&)>& what, bool of_enrolled = true) {
    const auto file = [&](int tables) { return of_enrolled ? enrolled(tables) : make(tables); };
    const std::int64_t few = steps_of(file(kTables), what), many = steps_of(file(2 * kTables), what);
    EXPECT_GT(few, kTables);
    EXPECT_LT(many, 3 * few);
  }

  unit::TemporaryFolder folder_;
  int files_ = 0;
};

TEST_F(ManyTables, enrolling) { expect_linear(enroll, false); }

TEST_F(ManyTables, enrolling_again) { expect_linear(enroll); }

TEST_F(ManyTables, loading_what_the_applier_works_on) {
  expect_linear([](const std::string& path) {
    FoldedFile file(path, std::nullopt);
    file.load();
  });
}

TEST_F(ManyTables, comparing_with_what_was_agreed) {
  expect_linear([](const std::string& path) {
    Database db(path, Database::Mode::kReadWrite);
    EXPECT_TRUE(find_schema_changes(db).empty());
  });
}

TEST_F(ManyTables, comparing_with_another_file) {
  expect_linear([](const std::string& path) {
    Database mine(path, Database::Mode::kReadOnly), other(path, Database::Mode::kReadOnly);
    EXPECT_TRUE(compare_definitions(mine, other, false).empty());
    EXPECT_FALSE(has_no_rows(mine));
  });
}

TEST_F(ManyTables, upgrading_a_file_of_an_older_format) {
  expect_linear([](const std::string& path) {
    Database db(path, Database::Mode::kReadWrite);
    db.execute(
        "DROP TABLE __colony_tables; CREATE TABLE __colony_tables(name TEXT PRIMARY KEY) WITHOUT ROWID;"
        "INSERT INTO __colony_tables SELECT tbl_name FROM sqlite_schema WHERE name GLOB '__colony_insert_*';"
        "UPDATE __colony_meta SET value = 3 WHERE key = 'format'");
    upgrade_layout(db);
    EXPECT_TRUE(find_schema_changes(db).empty());
  });
}

TEST_F(ManyTables, proving_all_rows) {
  expect_linear([](const std::string& path) {
    EXPECT_EQ(ProofSnapshot(path, 1, Sequence(0)).compute().foreign_key_violations, 0u);
  });
}

TEST_F(ManyTables, first_write_of_a_program) {
  expect_linear([](const std::string& path) {
    Database db = unit::open_captured(path);
    db.execute("INSERT INTO t7 VALUES('y', 5, 6, 'x')");
  });
}

TEST_F(ManyTables, writing_each_of_them) {
  expect_linear([](const std::string& path) {
    Database db = unit::open_captured(path);
    Statement all(db, "SELECT name FROM __colony_tables");
    std::string sql;
    while (all.step()) sql += "UPDATE " + std::string(all.text(0)) + " SET a = 7;";
    all.reset();
    db.execute(sql);
    EXPECT_GT(db.query_integer("SELECT colony_pending()"), 0);
  });
}

}  // namespace
}  // namespace colony
