// What only some of the remote stores have.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "replicator/log/error.h"
#include "replicator/snapshot_store/snapshot_store.h"
#include "tests/cluster/server_process.h"
#include "tests/cluster/snapshot_places.h"

namespace colony {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

std::string error_of(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const LogUnavailable& error) {
    return std::string("try again: ") + error.what();
  } catch (const Error& error) {
    return error.what();
  }
}

class RemoteStoreTest : public testing::Test {
 protected:
  RemoteStoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "colony-remote-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  ~RemoteStoreTest() override { std::filesystem::remove_all(folder_); }

  std::string file_with(const std::string& bytes) {
    std::ofstream(folder_ / "file", std::ios::binary) << bytes;
    return folder_ / "file";
  }

  std::filesystem::path folder_;
};

TEST_F(RemoteStoreTest, s3_is_told_of_no_more_than_five_gibibytes) {
  const auto place = make_snapshot_place("s3");
  const std::string path = file_with("");
  std::filesystem::resize_file(path, (std::uint64_t{5} << 30) + 1);
  const auto store = place->open();
  const std::string error = error_of([&] { store->put("a", path, go_on); });
  EXPECT_NE(error.find("5 GiB"), std::string::npos) << error;
}

TEST_F(RemoteStoreTest, a_bucket_that_s3_does_not_have_is_named) {
  setenv("AWS_ACCESS_KEY_ID", "AKTEST", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
  setenv("AWS_SESSION_TOKEN", "T0ken", 1);
  std::filesystem::create_directory(folder_ / "root");
  ServerProcess server({"/usr/bin/python3", "-B", std::string(COLONY_TEST_SERVERS) + "/s3_server.py", folder_ / "root",
                        "bucket", "us-east-1", "AKTEST", "s"},
                       "", true);
  const std::string endpoint = "?endpoint=http://127.0.0.1:" + std::to_string(server.port());
  const auto store = open_snapshot_store("s3://other/x" + endpoint, "c", "", 1);
  const std::string error = error_of([&] { store->list(); });
  EXPECT_NE(error.find("NoSuchBucket"), std::string::npos) << error;
  const auto whole = open_snapshot_store("s3://bucket" + endpoint, "c", "", 1);
  whole->put("a", file_with("x"), go_on);
  EXPECT_EQ(whole->list().size(), 1u) << "a bucket without a prefix";
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) unsetenv(name);
}

TEST_F(RemoteStoreTest, an_unknown_host_key_is_refused) {
  const auto place = make_snapshot_place("sftp");
  std::string url = place->open()->url();
  const auto known = url.find("known_hosts=");
  url = url.substr(0, known) + "known_hosts=" + (folder_ / "nobody").string();
  const std::string error = error_of([&] { open_snapshot_store(url, "c", "", 1)->list(); });
  EXPECT_FALSE(error.empty()) << "the host was trusted";
  EXPECT_EQ(error.find("try again"), std::string::npos) << error;
}

TEST_F(RemoteStoreTest, dead_uploads_are_removed_one_day) {
  for (const char* kind : {"webdav", "sftp"}) {
    const auto place = make_snapshot_place(kind);
    const auto store = place->open();
    store->put("a", file_with("x"), go_on);
    place->add_file("b~1000000000-0123abcd");
    EXPECT_EQ(store->list().size(), 1u) << kind;
    EXPECT_EQ(place->files().size(), 2u) << kind;
    store->put("c", file_with("x"), go_on);
    EXPECT_EQ(place->files().size(), 2u) << kind;
  }
}

TEST_F(RemoteStoreTest, an_object_on_an_sftp_server_is_as_private_as_the_file) {
  const auto place = make_snapshot_place("sftp");
  const std::string path = file_with("x");
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  place->open()->put("a", path, go_on);
  EXPECT_EQ(place->mode_of("a"), 0600);
}

TEST_F(RemoteStoreTest, a_server_that_nobody_answers_at_is_to_be_tried_again) {
  const std::string port = std::to_string(free_port());
  for (const std::string& url : {"webdav://127.0.0.1:" + port + "/x", "sftp://127.0.0.1:" + port + "/x",
                                 std::string("webdavs://no-such-host.invalid/x")}) {
    const std::string error = error_of([&] { open_snapshot_store(url, "c", "", 1)->list(); });
    EXPECT_TRUE(error.starts_with("try again")) << url << ": " << error;
  }
}

}  // namespace
}  // namespace colony
