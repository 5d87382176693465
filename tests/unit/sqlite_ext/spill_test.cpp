// Bytes that wait in memory, or in a file without a name.
#include "sqlite_ext/spill.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

using unit::TemporaryFolder;

std::string text(std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes += std::to_string(bytes.size()) + ",";
  bytes.resize(size);
  return bytes;
}

TEST(Spill, few_bytes_stay_in_memory) {
  Spill spill({"/nowhere/at/all", 100});
  spill.append(text(100));
  EXPECT_EQ(spill.view(), text(100));
}

TEST(Spill, without_a_folder_all_stays_in_memory) {
  Spill spill({"", 10});
  spill.append(text(100'000));
  EXPECT_EQ(spill.view(), text(100'000));
}

TEST(Spill, many_bytes_read_as_they_were_written) {
  const TemporaryFolder folder;
  Spill spill({folder / "", 1000});
  const std::string all = text(5'000'000);
  for (std::size_t at = 0; at < all.size(); at += 777) {
    spill.append(std::string_view(all).substr(at, 777));
    ASSERT_EQ(std::string_view(spill.at(at), 1), all.substr(at, 1));  // while it grows
    if (at % (777 * 101) == 0) {
      ASSERT_EQ(spill.view(), std::string_view(all).substr(0, at + 777));
    }
  }
  EXPECT_EQ(spill.view(), all);
  for (std::size_t at = 0; at < all.size(); at += 100'000) spill.passed(at);
  EXPECT_EQ(spill.view(), all);
  Spill moved(std::move(spill));
  EXPECT_EQ(moved.view(), all);
}

TEST(Spill, one_is_appended_to_another) {
  const TemporaryFolder folder;
  for (const std::size_t size : {0u, 10u, 100'000u, 3'000'000u}) {
    Spill from({folder / "", 1000}), to({folder / "", 1000});
    to.append("first ");
    from.append(text(size));
    to.append(from);
    EXPECT_EQ(to.view(), "first " + text(size));
    EXPECT_EQ(from.view(), text(size));
  }
}

TEST(Spill, bytes_are_compared_wherever_they_are) {
  const TemporaryFolder folder;
  for (const std::size_t size : {0u, 10u, 100'000u, 3'000'000u}) {
    Spill file({folder / "", 1000}), memory;
    file.append(text(size));
    memory.append(text(size));
    EXPECT_TRUE(Spill::equal(file, memory));
    memory.append("x");
    EXPECT_FALSE(Spill::equal(file, memory));
    file.append("y");
    EXPECT_FALSE(Spill::equal(file, memory));
  }
}

TEST(Spill, file_has_no_name) {
  const TemporaryFolder folder;
  Spill spill({folder / "", 1000});
  spill.append(text(100'000));
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

TEST(Spill, truncated_bytes_are_written_anew) {
  const TemporaryFolder folder;
  for (const std::size_t mark : {0u, 500u, 99'999u, 100'000u}) {
    Spill spill({folder / "", 1000});
    spill.append(text(100'000));
    ASSERT_EQ(spill.view().size(), 100'000u);
    spill.truncate(mark);
    EXPECT_EQ(spill.size(), mark);
    spill.append("then");
    spill.append(text(3000));
    EXPECT_EQ(spill.view(), text(100'000).substr(0, mark) + "then" + text(3000));
  }
}

TEST(Spill, can_be_used_again_when_cleared) {
  const TemporaryFolder folder;
  Spill spill({folder / "", 1000});
  spill.append(text(100'000));
  spill.clear();
  EXPECT_TRUE(spill.empty());
  spill.append("again");
  EXPECT_EQ(spill.view(), "again");
}

TEST(Spill, file_that_cannot_be_made_is_an_error_that_loses_nothing) {
  Spill spill({"/nowhere/at/all", 10});
  spill.append("0123456789");
  try {
    spill.append("more");
    FAIL();
  } catch (const SpillError& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/at/all"), std::string::npos) << error.what();
  }
  spill.truncate(10);
  EXPECT_EQ(spill.view(), "0123456789");
}

TEST(Spill, file_that_cannot_grow_is_an_error_that_loses_nothing) {
  const TemporaryFolder folder;
  const auto former = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{100'000, limit.rlim_max};
  Spill spill({folder / "", 1000});
  spill.append(text(90'000));
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(spill.append(text(20'000)), SpillError);
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, former);
  spill.truncate(90'000);
  EXPECT_EQ(spill.view(), text(90'000));
}

TEST(Spill, stands_beside_a_database_that_is_a_file) {
  const TemporaryFolder folder;
  std::ofstream(folder / "app.db") << "x";
  EXPECT_TRUE(std::filesystem::equivalent(spill_beside((folder / "app.db").c_str()).folder, folder / ""));
  EXPECT_EQ(spill_beside((folder / "none.db").c_str()).folder, "");
  EXPECT_EQ(spill_beside("").folder, "");
  EXPECT_EQ(spill_beside(nullptr).folder, "");
}

}  // namespace
}  // namespace colony
