#include "replicator/snapshot_store/snapshot_file.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <fstream>
#include <sstream>

#include "tests/unit/temporary_folder.h"

namespace colony::unit {
namespace {

std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void write(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

bool go_on(std::uint64_t, std::uint64_t) { return true; }

std::string content(std::size_t bytes) {
  std::string out;
  for (std::uint32_t state = 1; out.size() < bytes; state = state * 1664525 + 1013904223) {
    out += static_cast<char>(state >> 24);
  }
  return out;
}

// A snapshot of some bytes, and what can be done to it.
class SnapshotFileTest : public testing::Test {
 protected:
  std::string pack(const std::string& bytes) const {
    write(folder_ / "from", bytes);
    write_snapshot_file({"shop", "0f", Sequence(7)}, folder_ / "from", folder_ / "packed", go_on);
    return content_of(folder_ / "packed");
  }
  // What was wrong with it; empty if nothing.
  std::string unpack(const std::string& packed, std::size_t slice = 1 << 20) const {
    try {
      SnapshotUnpacker unpacker(folder_ / "to", [](const SnapshotHeader&) {});
      for (std::size_t at = 0; at < packed.size(); at += slice) unpacker.write(packed.substr(at, slice));
      unpacker.finish();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::string unpacked() const { return content_of(folder_ / "to"); }

  const TemporaryFolder folder_;
};

TEST_F(SnapshotFileTest, gives_back_what_was_put_in) {
  for (const std::size_t bytes : {0u, 1u, 4096u, 1000000u}) {
    const std::string packed = pack(content(bytes));
    ASSERT_EQ(unpack(packed), "") << bytes;
    EXPECT_TRUE(unpacked() == content(bytes)) << bytes;
  }
}

TEST_F(SnapshotFileTest, tells_its_header_first) {
  const std::string packed = pack(content(100));
  SnapshotHeader seen;
  SnapshotUnpacker unpacker("", [&](const SnapshotHeader& header) { seen = header; });
  unpacker.write(packed);
  unpacker.finish();
  EXPECT_EQ(seen, (SnapshotHeader{"shop", "0f", Sequence(7), 100}));
}

TEST_F(SnapshotFileTest, comes_in_slices_of_any_size) {
  const std::string packed = pack(content(5000));
  for (const std::size_t slice : {1u, 2u, 7u, 8u, 9u, 1000u}) {
    ASSERT_EQ(unpack(packed, slice), "") << slice;
    EXPECT_TRUE(unpacked() == content(5000)) << slice;
  }
}

TEST_F(SnapshotFileTest, every_truncation_is_detected) {
  const std::string packed = pack(content(300));
  for (std::size_t bytes = 0; bytes < packed.size(); ++bytes) EXPECT_NE(unpack(packed.substr(0, bytes)), "") << bytes;
}

// What a name of the header becomes by it is for the catalog to see, which compares.
TEST_F(SnapshotFileTest, every_flipped_bit_is_detected_or_does_no_harm) {
  const std::string packed = pack(content(300));
  const SnapshotHeader written{"shop", "0f", Sequence(7), 300};
  for (std::size_t at = 0; at < packed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = packed;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      SnapshotHeader seen;
      try {
        SnapshotUnpacker unpacker(folder_ / "to", [&](const SnapshotHeader& header) { seen = header; });
        unpacker.write(damaged);
        unpacker.finish();
      } catch (const Error&) {
        continue;
      }
      EXPECT_TRUE(unpacked() == content(300)) << "byte " << at << " bit " << bit;
      const bool is_in_a_name = at < packed.find("position") + sizeof "position 7";
      EXPECT_TRUE(seen == written || is_in_a_name) << "byte " << at << " bit " << bit;
    }
  }
}

TEST_F(SnapshotFileTest, what_follows_the_end_is_damage) {
  const std::string packed = pack(content(300));
  EXPECT_EQ(unpack(packed + "x"), "something follows the snapshot's end");
  EXPECT_NE(unpack(packed + packed), "");
}

TEST_F(SnapshotFileTest, content_of_another_length_than_the_header_says_is_damage) {
  const std::string packed = pack(content(300));
  for (const char* const other : {"bytes 299", "bytes 301"}) {
    std::string damaged = packed;
    damaged.replace(damaged.find("bytes 300"), 9, other);
    EXPECT_NE(unpack(damaged), "") << other;
  }
}

TEST_F(SnapshotFileTest, other_files_are_no_snapshots) {
  EXPECT_EQ(unpack("SQLite format 3 and so on"), "this is no snapshot of a colony");
  EXPECT_EQ(unpack(""), "the snapshot ends too early");
  std::string newer = pack(content(10));
  newer.replace(newer.find("snapshot 1"), 10, "snapshot 2");
  EXPECT_NE(unpack(newer).find("upgrade this one"), std::string::npos);
}

TEST_F(SnapshotFileTest, any_zstd_program_reads_it) {
  const std::string packed = pack(content(5000));
  std::string out(10000, '\0');
  const std::size_t bytes = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  ASSERT_FALSE(ZSTD_isError(bytes)) << ZSTD_getErrorName(bytes);
  EXPECT_TRUE(out.substr(0, bytes) == content(5000));
}

TEST_F(SnapshotFileTest, writing_can_be_given_up) {
  write(folder_ / "from", content(1000));
  const auto never = [](std::uint64_t, std::uint64_t) { return false; };
  EXPECT_THROW(write_snapshot_file({"shop", "0f", Sequence(7)}, folder_ / "from", folder_ / "packed", never),
               Interrupted);
}

}  // namespace
}  // namespace colony::unit
