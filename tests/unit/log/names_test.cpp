#include "replicator/log/names.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

TEST(Names, letters_digits_underscore_and_dash_are_a_name) {
  for (const char* name : {"a", "Z9", "node-1", "node_1", "-", "12345678901234567890123456789012"}) {
    EXPECT_TRUE(is_valid_name(name)) << name;
  }
}

TEST(Names, what_means_something_in_a_subject_or_is_too_long_is_none) {
  for (const std::string name :
       {"", "a.b", "*", ">", "a b", "a\tb", "ü", "a/b", "$JS", "123456789012345678901234567890123"}) {
    EXPECT_FALSE(is_valid_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_name(std::string_view("a\0b", 3)));
}

TEST(Names, numbers_of_different_kinds_are_different_types) {
  static_assert(!std::is_convertible_v<Sequence, ChunkNumber>);
  static_assert(!std::is_convertible_v<std::uint64_t, Sequence>);
  EXPECT_EQ(Sequence(4).next(), Sequence(5));
  EXPECT_LT(ChunkNumber(), ChunkNumber(1));
}

}  // namespace
}  // namespace colony
