// Triggers are taken apart as SQLite reads them.
#include "replicator/fold/trigger_text.h"

#include <gtest/gtest.h>

#include "replicator/log/error.h"

namespace colony {
namespace {

std::string shown(const std::string& sql) {
  const TriggerText trigger = take_trigger_apart(sql);
  std::string out;
  for (const TriggerStatement& statement : trigger.statements) {
    out += (statement.writes ? "writes " + statement.target : std::string("reads")) + ": " +
           std::string(statement.text) + "\n";
  }
  return out;
}

TEST(TriggerText, tokens_are_cut_where_sqlite_cuts_them) {
  std::string out;
  for (const SqlToken& token : sql_tokens("a1$\"q\"\"q\"[b]c]'it''s; END'--END;\n/* ; */ 1e5.x`t` x'0f' \xc3\xa9t")) {
    out += std::string(token.text) + "|";
  }
  EXPECT_EQ(out, "a1$|\"q\"\"q\"|[b]|c|]|'it''s; END'|1e5.x|`t`|x|'0f'|\xc3\xa9t|");
  EXPECT_EQ(sql_tokens("\"a\"\"b\"").front().name(), "a\"b");
  EXPECT_EQ(sql_tokens("[a]").front().name(), "a");
  EXPECT_EQ(sql_tokens("'open").front().text, "'open");
  EXPECT_EQ(sql_tokens("/* open").size(), 0u);
}

TEST(TriggerText, statements_end_at_semicolons_that_are_syntax) {
  EXPECT_EQ(shown("CREATE TRIGGER x AFTER INSERT ON t BEGIN\n"
                  "  INSERT INTO f VALUES(new.a, 'END; it''s', CASE WHEN new.a THEN (1) ELSE 2 END); -- a; b\n"
                  "  UPDATE OR IGNORE \"my;t\" SET a = 1 /* ; */ WHERE k = new.k;\n"
                  "  REPLACE INTO [f 2] DEFAULT VALUES;DELETE FROM log;\n"
                  "  WITH w AS (SELECT 1) SELECT RAISE(ABORT, 'no; END') FROM w;\nEND"),
            "writes f: INSERT INTO f VALUES(new.a, 'END; it''s', CASE WHEN new.a THEN (1) ELSE 2 END)\n"
            "writes my;t: UPDATE OR IGNORE \"my;t\" SET a = 1 /* ; */ WHERE k = new.k\n"
            "writes f 2: REPLACE INTO [f 2] DEFAULT VALUES\n"
            "writes log: DELETE FROM log\n"
            "reads: WITH w AS (SELECT 1) SELECT RAISE(ABORT, 'no; END') FROM w\n");
}

TEST(TriggerText, heads_of_all_kinds) {
  struct Case {
    const char* head;
    TriggerText::Timing timing;
    RowEvent event;
  };
  using Timing = TriggerText::Timing;
  for (const Case& c :
       {Case{" INSERT ON t ", Timing::kBefore, RowEvent::kInsert},
        Case{" BEFORE DELETE ON \"begin\" ", Timing::kBefore, RowEvent::kDelete},
        Case{" AFTER UPDATE OF \"begin\", begin, 'x' ON begin FOR EACH ROW ", Timing::kAfter, RowEvent::kUpdate},
        Case{" INSTEAD OF INSERT ON v WHEN new.begin > (SELECT begin FROM begin) ", Timing::kInsteadOf,
             RowEvent::kInsert},
        Case{"/* BEGIN */ AFTER UPDATE ON t WHEN(CASE new.a WHEN 'BEGIN' THEN 1 END)", Timing::kAfter,
             RowEvent::kUpdate}}) {
    for (const std::string name : {"plain", "\"quo\"\"ted\"", "'single'", "[brackets]", "`back``tick`", "after"}) {
      const std::string sql = "CREATE TRIGGER " + name + c.head + "BEGIN SELECT 1; END";
      const TriggerText trigger = take_trigger_apart(sql);
      EXPECT_EQ(trigger.head, c.head);
      EXPECT_EQ(trigger.timing, c.timing) << sql;
      EXPECT_EQ(trigger.event, c.event) << sql;
      EXPECT_EQ(trigger.temp_copy("copy", {&trigger.statements[0]}),
                std::string("CREATE TEMP TRIGGER \"copy\"") + c.head + "BEGIN SELECT 1; END");
    }
  }
}

TEST(TriggerText, what_is_no_trigger_is_refused) {
  for (const char* sql : {"", "CREATE INDEX i ON t(a)", "CREATE TRIGGER", "CREATE TRIGGER x AFTER INSERT ON t BEGIN",
                          "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;", "CREATE TRIGGER x INSERT t BEGIN END",
                          "CREATE TRIGGER x AFTER INSERT ON t WHEN (BEGIN SELECT 1; END",
                          "CREATE TRIGGER x AFTER UPDATE OF a BEGIN SELECT 1; END"}) {
    EXPECT_THROW(take_trigger_apart(sql), Error) << sql;
  }
}

}  // namespace
}  // namespace colony
