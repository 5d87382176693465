#include "replicator/snapshot_store/snapshot_name.h"

#include <gtest/gtest.h>

namespace colony::unit {
namespace {

constexpr const char* kEpoch = "0123456789abcdef0123456789abcdef";

SnapshotName name_at(std::uint64_t position) { return {"shop", Sequence(position), 1'795'233'600, "a", 98765, kEpoch}; }

TEST(SnapshotName, is_read_as_it_was_written) {
  const std::string text = name_at(1234).text();
  EXPECT_EQ(text, std::string("shop.00000000000000001234.20261121T040000Z.a.98765.") + kEpoch + ".zst");
  EXPECT_EQ(parse_snapshot_name(text), name_at(1234));
  EXPECT_EQ(parse_snapshot_name(name_at(~0ull).text()), name_at(~0ull));
}

TEST(SnapshotName, sorts_by_position) {
  EXPECT_LT(name_at(9).text(), name_at(10).text());
  EXPECT_LT(name_at(99).text(), name_at(~0ull).text());
}

TEST(SnapshotName, other_names_are_none) {
  const std::string good = name_at(1234).text();
  EXPECT_FALSE(parse_snapshot_name(""));
  EXPECT_FALSE(parse_snapshot_name("readme.txt"));
  EXPECT_FALSE(parse_snapshot_name(good + ".part"));
  EXPECT_FALSE(parse_snapshot_name("." + good));
  for (const auto& [from, to] : {std::pair{"shop", "sh op"},
                                 {"00000000000000001234", "1234"},
                                 {"00000000000000001234", "0000000000000000123x"},
                                 {"20261121T040000Z", "yesterday"},
                                 {"20261121T040000Z", "02261121T040000Z"},
                                 {"20261121T040000Z", "20260230T040000Z"},
                                 {"98765", "098765"},
                                 {"98765", "-1"},
                                 {"98765", ""},
                                 {".a.", ".a/b."},
                                 {".a.", ".."},
                                 {"0123456789abcdef", "0123456789ABCDEF"},
                                 {".zst", ".gz"}}) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string(from).size(), to);
    EXPECT_FALSE(parse_snapshot_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace colony::unit
