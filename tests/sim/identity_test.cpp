// The hazards of identity, and of members that come and go, one test each.
#include <gtest/gtest.h>

#include "replicator/log/entry.h"
#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)";
constexpr const char* kAll = "SELECT k, x FROM t ORDER BY k";

bool says(const std::string& why, const std::string& words) { return why.find(words) != std::string::npos; }

// The file says that it is somebody else, as a copy of theirs does.
void make_it(SmallColony& colony, const std::string& node, const std::string& name, std::uint64_t incarnation) {
  colony.crash(node);
  colony.node(node).observer().execute("UPDATE __colony_meta SET value = '" + name + "' WHERE key = 'node';" +
                                       "UPDATE __colony_meta SET value = " + std::to_string(incarnation) +
                                       " WHERE key = 'incarnation'");
  colony.node(node).link().set_node(name);
  colony.start(node);
}

// The first hello of a node, as it stands in the log.
Message hello_of(SmallColony& colony, const std::string& node) {
  for (const Message& message : colony.log().messages()) {
    const auto entry = decode(message.data, message.origin);
    if (entry && entry->origin == node && std::holds_alternative<HelloEntry>(entry->body)) return message;
  }
  throw std::runtime_error("no hello of " + node);
}

TEST(Hazard, same_name) {
  SmallColony colony(kTable, {"a", "b", "c"});
  make_it(colony, "c", "a", 999);
  colony.sql("c", "INSERT INTO t VALUES(1, 'c')");
  const std::string why = colony.apply("c");
  EXPECT_TRUE(says(why, "the name a in colony sim belongs to")) << why;
  colony.rename("c", "c2");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|c"});
}

TEST(Hazard, clone) {
  SmallColony colony(kTable, {"a", "b", "c"});
  make_it(colony, "c", "a", 100);
  EXPECT_EQ(colony.apply("c"), "");
  EXPECT_EQ(colony.publish("c"), "");
  const std::string why = colony.apply("a");
  EXPECT_TRUE(says(why, "a copy of this file speaks as node a")) << why;
}

// Copies a database over another one, as SQLite's .backup and .restore do.
void copy(Database& from, Database& to) {
  sqlite3_backup* const backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  ASSERT_NE(backup, nullptr);
  ASSERT_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
  ASSERT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
}

TEST(Hazard, restored_backup) {
  SmallColony colony(kTable, {"a", "b"});
  Database backup(":memory:", Database::Mode::kReadWrite);
  copy(colony.node("a").observer(), backup);
  colony.sql("a", "INSERT INTO t VALUES(1, 'after the backup')");
  ASSERT_EQ(colony.settle(), "");
  colony.crash("a");
  copy(backup, colony.node("a").observer());
  colony.node("a").reopen_app();
  colony.sql("a", "INSERT INTO t VALUES(2, 'after its return')");
  colony.start("a");
  const std::string why = colony.apply("a");
  EXPECT_TRUE(says(why, "an older backup of")) << why;
  colony.rename("a", "a2");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", kAll), (Rows{"1|after the backup", "2|after its return"}));
}

TEST(Hazard, leave) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.sql("c", "INSERT INTO t VALUES(1, 'c')");
  ASSERT_EQ(colony.settle(), "");
  colony.leave("c", "c");
  const std::string why = colony.apply("c");
  EXPECT_TRUE(says(why, "node c has left colony sim")) << why;
  colony.restart("c");
  EXPECT_EQ(colony.apply("c"), why);
  colony.sql("c", "INSERT INTO t VALUES(2, 'too late')");
  colony.publish("c");
  colony.crash("c");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|c"});
  EXPECT_EQ(colony.node("a").members().size(), 2u);
}

TEST(Hazard, leave_with_late_duplicates_of_the_hello) {
  SmallColony colony(kTable, {"a", "b", "c"});
  ASSERT_EQ(colony.settle(), "");
  const Message hello = hello_of(colony, "c");
  colony.leave("c", "c");
  colony.apply("c");
  colony.crash("c");
  ASSERT_EQ(colony.settle(), "");
  colony.log().append(hello.origin, hello.data);
  ASSERT_EQ(colony.settle(), "");
  EXPECT_FALSE(colony.node("a").members().contains("c"));

  // The name is free for another life all the same, and a duplicate changes nothing.
  colony.rename("c", "c");
  ASSERT_EQ(colony.settle(), "");
  colony.log().append(hello.origin, hello.data);
  colony.sql("c", "INSERT INTO t VALUES(1, 'c')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|c"});
  EXPECT_EQ(colony.node("a").members().at("c"), Incarnation(1001));
}

TEST(Hazard, removed_node_comes_back_with_pending_writes) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.sql("c", "INSERT INTO t VALUES(1, 'in the log')");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("c", "INSERT INTO t VALUES(2, 'sent before')");
  colony.publish("c");
  colony.crash("c");
  colony.sql("c", "INSERT INTO t VALUES(3, 'not sent')");
  colony.sql("c", "UPDATE t SET x = 'changed' WHERE k = 1");
  colony.apply("a");
  colony.leave("a", "c");
  colony.sql("b", "INSERT INTO t VALUES(4, 'b')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"1|in the log", "2|sent before", "4|b"}));

  colony.start("c");
  const std::string why = colony.apply("c");
  EXPECT_TRUE(says(why, "was removed from colony sim by node a")) << why;
  EXPECT_TRUE(says(why, "--keep-pending")) << why;
  colony.sql("c", "INSERT INTO t VALUES(5, 'while halted')");
  colony.rename("c", "d");
  ASSERT_EQ(colony.settle(), "");
  for (const char* node : {"a", "b", "c"}) {
    EXPECT_EQ(colony.rows(node, kAll), (Rows{"1|changed", "2|sent before", "3|not sent", "4|b", "5|while halted"}));
  }
}

TEST(Hazard, removed_node_that_goes_on_is_ignored) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.sql("c", "INSERT INTO t VALUES(1, 'c')");
  colony.leave("a", "c");
  colony.publish("c");  // does not know yet
  colony.apply("c");
  colony.crash("c");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{});
  colony.rename("c", "d");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|c"});
}

TEST(Hazard, leave_in_the_middle_of_the_fragments_of_a_transaction) {
  SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY, x BLOB)", {"a", "b", "c"});
  colony.sql("c", "INSERT INTO t VALUES(1, randomblob(150000))");
  ASSERT_TRUE(colony.node("c").publisher().step());
  colony.apply("a");
  colony.leave("a", "c");
  colony.apply("a");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM __colony_parts"), Rows{"0"});
  colony.apply("c");
  colony.rename("c", "c");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT k, length(x) FROM t"), Rows{"1|150000"});
}

TEST(Hazard, removal_of_a_life_that_has_ended_does_not_remove_the_next) {
  SmallColony colony(kTable, {"a", "b", "c"});
  const Incarnation former = colony.node("a").members().at("c");
  colony.leave("c", "c");
  colony.apply("c");
  colony.rename("c", "c");
  ASSERT_EQ(colony.settle(), "");
  colony.node("a").publisher().enqueue(LeaveEntry{"c", former});
  ASSERT_EQ(colony.settle(), "");
  EXPECT_TRUE(colony.node("b").members().contains("c"));
}

}  // namespace
}  // namespace colony::sim
