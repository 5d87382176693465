#include "sqlite_ext/changeset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::shown_changes;

const ChangesetTable kTable{"t", {1, 0, 0}};

std::string of_table(const ChangesetTable& table, const std::vector<Change>& changes) {
  std::string bytes;
  ChangesetWriter writer(bytes);
  writer.begin_table(table);
  for (const Change& change : changes) writer.add(change);
  return bytes;
}

Change inserted(std::vector<Value> row) { return {Operation::kInsert, {}, std::move(row)}; }
Change deleted(std::vector<Value> row) { return {Operation::kDelete, std::move(row), {}}; }

void expect_value_survives(const Value& value) {
  const std::string bytes =
      of_table({"t", {1, 0}}, {inserted({Value::of_integer(1), value}), deleted({Value::of_integer(2), value})});
  ChangesetReader reader(bytes);
  Change change;
  ASSERT_TRUE(reader.next(change));
  EXPECT_TRUE(identical(change.after[1], value)) << unit::shown(change.after[1]) << " was " << unit::shown(value);
  ASSERT_TRUE(reader.next(change));
  EXPECT_TRUE(identical(change.before[1], value));
  EXPECT_FALSE(reader.next(change));
}

TEST(Changeset, every_value_survives_bit_for_bit) {
  expect_value_survives(Value::null());
  for (const std::int64_t integer :
       {std::int64_t{0}, std::int64_t{-1}, (std::int64_t{1} << 53) + 1, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    expect_value_survives(Value::of_integer(integer));
  }
  for (const double real : {0.0, -0.0, 0.1, 5e-324, std::numeric_limits<double>::max(),
                            std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    expect_value_survives(Value::of_real(real));
  }
  using std::string_view_literals::operator""sv;
  for (const std::string_view bytes : {""sv, "a"sv, "nul\0inside"sv, "\xff\xfe not utf-8"sv, "Grüße"sv}) {
    expect_value_survives(Value::of_text(bytes));
    expect_value_survives(Value::of_blob(bytes));
  }
}

TEST(Changeset, lengths_around_each_varint_size_survive) {
  for (const std::size_t size : {126u, 127u, 128u, 129u, 16383u, 16384u, 2097151u, 2097152u}) {
    const std::string content(size, 'x');
    expect_value_survives(Value::of_text(content));
    expect_value_survives(Value::of_blob(content));
  }
}

TEST(Changeset, wide_table_survives) {
  ChangesetTable table{"wide", std::vector<std::uint8_t>(2000)};
  table.key[1999] = 1;
  std::vector<Value> row;
  for (int i = 0; i < 2000; ++i) row.push_back(Value::of_integer(i));
  const std::string bytes = of_table(table, {inserted(row)});
  ChangesetReader reader(bytes);
  Change change;
  ASSERT_TRUE(reader.next(change));
  EXPECT_EQ(reader.table(), table);
  EXPECT_EQ(change.after[1999].integer, 1999);
}

TEST(Changeset, text_and_blob_of_the_same_bytes_differ) {
  EXPECT_FALSE(identical(Value::of_text("a"), Value::of_blob("a")));
  EXPECT_FALSE(identical(Value::of_integer(0), Value::of_real(0)));
  EXPECT_FALSE(identical(Value::of_real(0.0), Value::of_real(-0.0)));
  EXPECT_FALSE(identical(Value::null(), Value{}));
  EXPECT_TRUE(identical(Value{}, Value{}));
}

TEST(Changeset, reader_tells_where_a_table_begins) {
  std::string bytes = of_table(kTable, {deleted({Value::of_integer(1), Value::null(), Value::null()})});
  bytes += of_table({"u", {1}}, {inserted({Value::of_integer(2)}), inserted({Value::of_integer(3)})});
  ChangesetReader reader(bytes);
  Change change;
  ASSERT_TRUE(reader.next(change));
  EXPECT_EQ(reader.tables_begun(), 1u);
  EXPECT_EQ(reader.table().name, "t");
  ASSERT_TRUE(reader.next(change));
  EXPECT_EQ(reader.tables_begun(), 2u);
  EXPECT_EQ(reader.table().name, "u");
  ASSERT_TRUE(reader.next(change));
  EXPECT_EQ(reader.tables_begun(), 2u);
  EXPECT_FALSE(reader.next(change));
}

TEST(Changeset, empty_bytes_have_no_changes) {
  ChangesetReader reader("");
  Change change;
  EXPECT_FALSE(reader.next(change));
  EXPECT_EQ(unit::inverted(""), "");
}

TEST(Changeset, key_value_is_found_in_every_operation) {
  const Value one = Value::of_integer(1);
  EXPECT_EQ(inserted({one}).key_value(0).integer, 1);
  EXPECT_EQ(deleted({one}).key_value(0).integer, 1);
  EXPECT_EQ((Change{Operation::kUpdate, {one}, {Value{}}}.key_value(0).integer), 1);
}

TEST(Changeset, invert_swaps_and_reorders_deletes_before_inserts) {
  const Value k = Value::of_integer(1), a = Value::of_text("a"), b = Value::of_text("b"), none{};
  const std::string changes = of_table(
      kTable, {deleted({Value::of_integer(3), a, b}), Change{Operation::kUpdate, {k, a, none}, {none, b, none}},
               inserted({Value::of_integer(2), a, b})});
  EXPECT_EQ(shown_changes(changes), "t - 3 'a' 'b'\nt ~ 1 'a'>'b' .\nt + 2 'a' 'b'\n");
  EXPECT_EQ(shown_changes(unit::inverted(changes)), "t - 2 'a' 'b'\nt ~ 1 'b'>'a' .\nt + 3 'a' 'b'\n");
  EXPECT_EQ(unit::inverted(unit::inverted(changes)), changes);
}

// A row written, the table altered and the row written again, as the sections of one transaction.
TEST(Changeset, invert_takes_a_tables_last_section_first) {
  const Value one = Value::of_integer(1), null = Value::null();
  const std::string changes =
      of_table({"t", {1, 0}}, {inserted({one, Value::of_text("a")})}) + of_table({"u", {1}}, {inserted({one})}) +
      of_table({"t", {1, 0, 0}}, {{Operation::kUpdate, {one, {}, null}, {{}, {}, Value::of_text("x")}}});
  EXPECT_EQ(shown_changes(unit::inverted(changes)), "t ~ 1 . 'x'>NULL\nu - 1\nt - 1 'a'\n");
  EXPECT_EQ(unit::inverted(unit::inverted(changes)), changes);
}

TEST(Changeset, invert_keeps_the_order_of_tables) {
  const Value one = Value::of_integer(1);
  const std::string changes = of_table({"z", {1}}, {inserted({one})}) + of_table({"a", {1}}, {deleted({one})});
  EXPECT_EQ(shown_changes(unit::inverted(changes)), "z - 1\na + 1\n");
}

void expect_refused(const std::string& bytes) {
  ChangesetReader reader(bytes);
  Change change;
  EXPECT_THROW(while (reader.next(change)){}, ChangesetError);
}

TEST(Changeset, rows_that_cannot_be_are_refused) {
  const Value k = Value::of_integer(1), a = Value::of_text("a"), none{};
  expect_refused(of_table(kTable, {inserted({Value::null(), a, a})}));                               // NULL in the key
  expect_refused(of_table(kTable, {inserted({k, none, a})}));                                        // lacks a column
  expect_refused(of_table(kTable, {deleted({none, a, a})}));                                         // lacks its key
  expect_refused(of_table(kTable, {Change{Operation::kUpdate, {none, a, none}, {none, a, none}}}));  // no key
  expect_refused(of_table(kTable, {Change{Operation::kUpdate, {k, a, none}, {k, a, none}}}));        // changes its key
  expect_refused(of_table(kTable, {Change{Operation::kUpdate, {k, none, none}, {none, a, none}}}));  // half a value
  expect_refused(of_table(kTable, {Change{Operation::kUpdate, {k, none, none}, {none, none, none}}}));  // of nothing
  expect_refused(of_table({"t", {0, 0}}, {inserted({k, a})}));                                          // no key at all
  expect_refused(of_table({"t", {}}, {}));                                                              // no columns
  expect_refused(std::string("\x12\x00", 2));                                                           // no table
  expect_refused(of_table({"t", {1}}, {}) + std::string("\x07\x00\x05", 3));                            // no operation
  expect_refused(of_table({"t", {1}}, {}) + std::string("\x12\x00\x09", 3));                            // no type
}

TEST(Changeset, value_that_claims_more_bytes_than_there_are_is_refused) {
  for (const std::string_view length :
       {"\x05", "\xff\xff\xff\xff\xff\xff\xff\x7f", "\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    expect_refused(of_table({"t", {1}}, {}) + std::string("\x12\x00\x03", 3) + std::string(length) + "abc");
  }
}

}  // namespace
}  // namespace colony
