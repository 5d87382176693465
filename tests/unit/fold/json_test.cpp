#include "replicator/fold/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

TEST(Json, text_is_quoted_and_escaped) {
  EXPECT_EQ(json_string("plain"), "\"plain\"");
  EXPECT_EQ(json_string("a \"b\" \\ c\n\t\x01"), "\"a \\\"b\\\" \\\\ c\\u000a\\u0009\\u0001\"");
  EXPECT_EQ(json_string("Grüße 😀"), "\"Grüße 😀\"");
  EXPECT_EQ(json_string(""), "\"\"");
}

TEST(Json, bytes_that_are_no_utf8_are_replaced_in_messages) {
  EXPECT_EQ(json_string("a\xff"), "\"a\xEF\xBF\xBD\"");
  EXPECT_EQ(json_string(std::string_view("a\0b", 3)),
            "\"a\xEF\xBF\xBD"
            "b\"");
}

TEST(Json, values_keep_their_types) {
  EXPECT_EQ(json_value(Value::null()), "null");
  EXPECT_EQ(json_value(Value::of_integer(std::numeric_limits<std::int64_t>::min())), "-9223372036854775808");
  EXPECT_EQ(json_value(Value::of_real(5)), "5.0");
  EXPECT_EQ(json_value(Value::of_real(-0.0)), "-0.0");
  EXPECT_EQ(json_value(Value::of_real(0.1)), "0.1");
  EXPECT_EQ(json_value(Value::of_real(1e300)), "1e+300");
  EXPECT_EQ(json_value(Value::of_real(std::numeric_limits<double>::infinity())), "9e999");
  EXPECT_EQ(json_value(Value::of_real(-std::numeric_limits<double>::infinity())), "-9e999");
  EXPECT_EQ(json_value(Value::of_text("x")), "\"x\"");
  EXPECT_EQ(json_value(Value::of_blob("x")), "{\"hex\":\"78\"}");
  EXPECT_EQ(json_value(Value::of_blob("")), "{\"hex\":\"\"}");
}

TEST(Json, reals_read_back_as_the_same_number) {
  for (const double real : {0.1, 1.0 / 3, 1e15, 123456789012345680.0, 5e-324, 1.7976931348623157e308}) {
    EXPECT_EQ(std::strtod(json_value(Value::of_real(real)).c_str(), nullptr), real);
  }
}

TEST(Json, text_that_json_cannot_hold_is_shown_as_its_bytes) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view text : {"\xff"sv, "nul\0"sv, "\xc0\x80"sv, "\xc3"sv, "\xed\xa0\x80"sv, "\xe0\x80\x80"sv,
                                      "\xf0\x80\x80\x80"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\x80"sv}) {
    EXPECT_TRUE(json_value(Value::of_text(text)).starts_with("{\"hex\":\"")) << unit::shown(Value::of_text(text));
  }
  for (const std::string_view text :
       {"\x7f"sv, "\xc2\x80"sv, "\xed\x9f\xbf"sv, "\xf4\x8f\xbf\xbf"sv, "\xef\xbf\xbf"sv}) {
    EXPECT_EQ(json_value(Value::of_text(text)), "\"" + std::string(text) + "\"");
  }
}

TEST(Json, row_shows_the_columns_that_are_defined) {
  EXPECT_EQ(json_row({"a", "b \"c\"", "d"}, {Value::of_integer(1), Value{}, Value::null()}), "{\"a\":1,\"d\":null}");
  EXPECT_EQ(json_row({"a", "later"}, {Value::of_integer(1)}), "{\"a\":1}");
  EXPECT_EQ(json_row({"a"}, {}), "{}");
}

TEST(Json, objects_and_arrays) {
  JsonObject object;
  object.add("text", "x").add("number", std::int64_t{-1}).add("large", ~std::uint64_t{0}).add("truth", true);
  object.add_null("none").add_raw("list", json_array({"1", "\"a\""}));
  EXPECT_EQ(object.text(),
            "{\"text\":\"x\",\"number\":-1,\"large\":18446744073709551615,\"truth\":true,\"none\":null,"
            "\"list\":[1,\"a\"]}");
  EXPECT_EQ(json_array({}), "[]");
}

TEST(Json, sqlite_reads_what_is_written) {
  Database db(unit::new_memory_path(), Database::Mode::kReadWrite);
  Statement valid(db, "SELECT json_valid(?1)");
  const std::string row = json_row({"i", "r", "t", "b"}, {Value::of_integer(1), Value::of_real(2.5),
                                                          Value::of_text("quote \" \x02"), Value::of_blob("\xff")});
  ASSERT_TRUE(valid.bind(1, row).step());
  EXPECT_EQ(valid.integer(0), 1);
}

}  // namespace
}  // namespace colony
