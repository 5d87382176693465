#include "replicator/store/sql_literal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "../temporary_folder.h"
#include "replicator/store/sqlite.h"

namespace colony::unit {
namespace {

class SqlLiteral : public testing::TestWithParam<const char*> {};

TEST_P(SqlLiteral, of_text_is_that_text_in_each_encoding) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x.db", std::ios::binary);
  Database db(folder / "x.db", Database::Mode::kReadWrite);
  db.execute(std::string("PRAGMA encoding = '") + GetParam() + "'; CREATE TABLE t(a)");
  for (const std::string& text :
       {std::string("x"), std::string(), std::string("it's"), std::string("a\0b\0", 4), std::string("\0", 1),
        std::string("a\1\0\1\2\0", 6), std::string(3000, '\0'), std::string("h\xc3\xa9 \xf0\x9f\x90\x9c")}) {
    Statement select(db, "SELECT " + sql_literal(text) + ", typeof(" + sql_literal(text) + ")");
    ASSERT_TRUE(select.step());
    EXPECT_EQ(select.text(0), text);
    EXPECT_EQ(select.text(1), "text");
  }
}

INSTANTIATE_TEST_SUITE_P(All, SqlLiteral, testing::Values("UTF-8", "UTF-16le", "UTF-16be"));

TEST(SqlLiteralOfText, keeps_bytes_that_are_no_utf_8) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x.db", std::ios::binary);
  Database db(folder / "x.db", Database::Mode::kReadWrite);
  const std::string text = "a\xc3\xff";
  EXPECT_EQ(db.query_text("SELECT " + sql_literal(text)), text);
}

}  // namespace
}  // namespace colony::unit
