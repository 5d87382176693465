#include "replicator/wal/record.h"

#include <gtest/gtest.h>

#include "../memory_node.h"

namespace colony::unit {
namespace {

using namespace std::string_literals;

std::string read(std::string_view record) {
  std::vector<Value> values;
  return read_record(record, values) ? shown(values) : "no record";
}

TEST(Record, has_integers_of_each_size) {
  EXPECT_EQ(read("\x07\x01\x02\x03\x04\x05\x06\x80\x80\x00\x80\x00\x00\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00"
                 "\x80\x00\x00\x00\x00\x00\x00\x00"s),
            "-128 -32768 -8388608 -2147483648 -140737488355328 -9223372036854775808");
  EXPECT_EQ(read("\x07\x01\x02\x03\x04\x05\x06\x7f\x7f\xff\x7f\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\xff\xff"
                 "\x7f\xff\xff\xff\xff\xff\xff\xff"s),
            "127 32767 8388607 2147483647 140737488355327 9223372036854775807");
}

TEST(Record, has_values_without_bytes) { EXPECT_EQ(read("\x06\x00\x08\x09\x0c\x0d"s), "NULL 0 1 x'' ''"); }

TEST(Record, has_text_and_blobs) {
  EXPECT_EQ(read("\x03\x11\x0e"
                 "ab\x80"s),
            "'ab' x'80'");
}

TEST(Record, has_reals) {
  EXPECT_EQ(read("\x03\x07\x07\x3f\xf8\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00"s), "1.5 -0.0");
  EXPECT_EQ(read("\x02\x07\x7f\xf0\x00\x00\x00\x00\x00\x00"s), "inf");
}

TEST(Record, has_null_for_not_a_number) {
  EXPECT_EQ(read("\x02\x07\x7f\xf8\x00\x00\x00\x00\x00\x00"s), "NULL");
  EXPECT_EQ(read("\x02\x07\xff\xf0\x00\x00\x00\x00\x00\x01"s), "NULL");
}

TEST(Record, without_fields_is_one) { EXPECT_EQ(read("\x01"s), ""); }

TEST(Record, with_a_type_that_no_database_has_is_none) {
  EXPECT_EQ(read("\x02\x0a"s), "no record");
  EXPECT_EQ(read("\x02\x0b"s), "no record");
}

TEST(Record, that_ends_too_early_is_none) {
  EXPECT_EQ(read(""), "no record");
  EXPECT_EQ(read("\x03\x00"s), "no record") << "the header";
  EXPECT_EQ(read("\x02\x06\x00\x00\x00\x00\x00\x00\x00"s), "no record") << "an integer";
  EXPECT_EQ(read("\x02\x0f"s), "no record") << "text";
  EXPECT_EQ(read("\x02\x81\x00"s), "no record") << "a type";
  EXPECT_EQ(read("\x00\x00"s), "no record") << "no room for the header's own size";
}

TEST(Record, with_a_size_beyond_all_memory_is_none) {
  EXPECT_EQ(read("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                 "abc"s),
            "no record");
  EXPECT_EQ(read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s), "no record");
}

TEST(Record, may_have_types_in_more_bytes_than_they_need) {
  EXPECT_EQ(read("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x01\x05"s), "5");
}

}  // namespace
}  // namespace colony::unit
