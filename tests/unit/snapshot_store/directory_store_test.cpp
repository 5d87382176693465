#include "replicator/snapshot_store/directory_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "replicator/log/error.h"
#include "replicator/snapshot_store/object_name.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

class DirectoryStoreTest : public testing::Test {
 protected:
  std::string file_with(const std::string& bytes, mode_t mode = 0644) {
    const std::string path = folder_ / "source";
    std::ofstream(path) << bytes;
    chmod(path.c_str(), mode);
    return path;
  }

  std::string make_temporary() {
    const std::string path = folder_ / ("store/" + temporary_name("a"));
    std::ofstream(path) << "half of i";
    return path;
  }

  mode_t mode_of(const std::string& path) {
    struct stat status;
    return stat(path.c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
  }

  std::set<std::string> files() {
    std::set<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder_ / "store"))
      names.insert(file.path().filename());
    return names;
  }

  unit::TemporaryFolder folder_;
  DirectoryStore store_{folder_ / "store"};
};

TEST_F(DirectoryStoreTest, is_as_private_as_the_file_that_is_put) {
  const mode_t before = umask(0);
  store_.put("private", file_with("x", 0600), go_on);
  store_.put("shared", file_with("x", 0640), go_on);
  umask(before);
  EXPECT_EQ(mode_of(folder_ / "store/private"), 0600u);
  EXPECT_EQ(mode_of(folder_ / "store/shared"), 0640u);
  EXPECT_EQ(mode_of(folder_ / "store"), 0700u);
}

TEST_F(DirectoryStoreTest, makes_missing_folders) {
  DirectoryStore deep(folder_ / "a/b/c");
  deep.put("x", file_with("1"), go_on);
  EXPECT_EQ(deep.list().size(), 1u);
}

TEST_F(DirectoryStoreTest, dead_uploads_are_neither_listed_nor_kept) {
  store_.put("a", file_with("x"), go_on);
  make_temporary();
  EXPECT_EQ(store_.list().size(), 1u);
  store_.put("b", file_with("y"), go_on);
  EXPECT_EQ(files(), (std::set<std::string>{"a", "b"}));
}

TEST_F(DirectoryStoreTest, a_living_upload_is_left_alone) {
  store_.put("a", file_with("x"), go_on);
  const std::string temporary = make_temporary();
  const int other = open(temporary.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(other, LOCK_EX), 0);
  store_.put("b", file_with("y"), go_on);
  EXPECT_TRUE(std::filesystem::exists(temporary));
  close(other);
  store_.put("c", file_with("z"), go_on);
  EXPECT_FALSE(std::filesystem::exists(temporary));
}

TEST_F(DirectoryStoreTest, two_uploads_at_once_do_not_disturb_each_other) {
  const std::string path = file_with(std::string(1'000'000, 'x'));
  bool nested = false;
  store_.put("a", path, [&](std::uint64_t done, std::uint64_t) {
    if (done > 0 && !nested) {
      nested = true;
      store_.put("b", path, go_on);
    }
    return true;
  });
  EXPECT_EQ(files(), (std::set<std::string>{"a", "b"}));
}

TEST_F(DirectoryStoreTest, what_is_no_object_is_not_listed) {
  store_.put("a", file_with("x"), go_on);
  std::filesystem::create_directory(folder_ / "store/folder");
  std::ofstream(folder_ / "store/.hidden") << "x";
  std::ofstream(folder_ / "store/with space") << "x";
  ASSERT_EQ(store_.list().size(), 1u);
  EXPECT_EQ(store_.list()[0].name, "a");
}

TEST_F(DirectoryStoreTest, a_source_that_is_missing_leaves_nothing) {
  EXPECT_THROW(store_.put("a", folder_ / "missing", go_on), Error);
  EXPECT_TRUE(store_.list().empty());
}

TEST(ObjectName, temporary_names_are_no_objects_and_tell_their_age) {
  const std::string temporary = temporary_name("a-1.x");
  EXPECT_FALSE(is_object_name(temporary));
  EXPECT_TRUE(temporary_since(temporary));
  EXPECT_FALSE(is_dead_temporary(temporary));
  EXPECT_TRUE(is_dead_temporary("a~1000000000-0123abcd"));
  for (const char* other : {"a", "a~", "a~x", "a~12", "a~12-123", "~12-12345678", "a~12-123456789"}) {
    EXPECT_FALSE(temporary_since(other)) << other;
  }
}

}  // namespace
}  // namespace colony
