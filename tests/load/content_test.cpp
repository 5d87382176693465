#include "tests/load/generator/content.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/load/generator/workload.h"

namespace load {
namespace {

TEST(Content, a_whole_value_is_of_its_write) {
  for (const std::uint64_t token : {0ULL, 7ULL, 1'700'000'000'000'123ULL}) {
    EXPECT_EQ(content_of(value_of(token, 128)), (Content{token, 128}));
  }
}

TEST(Content, a_value_that_differs_in_one_byte_is_corrupt) {
  const std::string whole = value_of(1234, 128);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string value = whole;
    value[at] = static_cast<char>(value[at] ^ 1);
    // Another token with a like rest is that other's: who compares knows whom it was given to.
    const Content content = content_of(value);
    EXPECT_NE(content.token, 1234U) << at;
  }
  EXPECT_EQ(content_of("").token, kCorrupt);
  EXPECT_EQ(content_of("01234 ").token, kCorrupt);
  EXPECT_EQ(content_of("18446744073709551615 ").token, kCorrupt);
  EXPECT_EQ(content_of(whole + 'x').token, kCorrupt);
}

TEST(Content, a_value_cut_short_is_of_another_size) {
  EXPECT_NE(content_of(value_of(1234, 128).substr(0, 100)), (Content{1234, 128}));
}

TEST(Content, an_added_object_is_whole_or_corrupt) {
  const metad::PutObject whole = added_object(42, 3);
  EXPECT_EQ(added_object_of(whole), (AddedObject{42, 3}));
  std::vector<metad::PutObject> others(8, whole);
  others[0].owner = "ada";
  others[1].size = 41;
  others[2].sha256.back() = '0';
  others[3].placements.clear();
  others[4].placements.push_back(whole.placements[0]);
  others[5].placements[0].state = "lost";
  others[6].placements[0].url += "x";
  others[7].placements[0].node = "n4";
  for (const metad::PutObject& other : others) EXPECT_EQ(added_object_of(other).token, kCorrupt);
}

std::string list_of(std::uint32_t set, unsigned rows) {
  std::string list = R"({"objects":[)";
  for (unsigned n = 0; n < rows; ++n) {
    list += (n == 0 ? R"({"key":")" : R"(,{"key":")") + set_prefix(set) + std::to_string(n) +
            R"(","modified":"2026","owner":"ada","placements":[{"node":"a","state":"ready","url":"u"}],)" +
            R"("sha256":"00","size":1})";
  }
  return list + "]}";
}

TEST(Content, a_list_has_the_objects_of_its_set) {
  EXPECT_TRUE(is_list_of(list_of(7, kSetSize), 7));
  EXPECT_FALSE(is_list_of(list_of(7, kSetSize), 8));
  EXPECT_FALSE(is_list_of(list_of(7, kSetSize - 1), 7));
  EXPECT_FALSE(is_list_of(list_of(7, kSetSize + 1), 7));
}

TEST(Content, what_is_no_list_is_noticed) {
  const std::string list = list_of(7, kSetSize);
  EXPECT_FALSE(is_list_of("", 7));
  EXPECT_FALSE(is_list_of("<html>", 7));
  EXPECT_FALSE(is_list_of(R"({"objects":[]})", 7));
  EXPECT_FALSE(is_list_of(list.substr(0, list.size() - 1), 7));
  EXPECT_FALSE(is_list_of(list.substr(1), 7));
  std::string without_owner = list;
  without_owner.replace(without_owner.find("owner"), 5, "other");
  EXPECT_FALSE(is_list_of(without_owner, 7));
}

}  // namespace
}  // namespace load
