#include "replicator/snapshot_store/store_url.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "replicator/log/error.h"
#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {
namespace {

std::string message_of(const std::string& url) {
  try {
    open_snapshot_store(url, "c", "nats://127.0.0.1:4222", 1);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string shown(const std::string& url) { return open_snapshot_store(url, "c", "nats://127.0.0.1:4222", 1)->url(); }

TEST(StoreUrl, is_taken_apart_and_decoded) {
  const StoreUrl url = parse_store_url("sftp://me%40home:a%3Ab@host.example:2222/a%20b/c/?key=/k%3F", {"key"});
  EXPECT_EQ(url.scheme, "sftp");
  EXPECT_EQ(url.user, "me@home");
  EXPECT_EQ(url.password, "a:b");
  EXPECT_EQ(url.host, "host.example");
  EXPECT_EQ(url.port, "2222");
  EXPECT_EQ(url.path, "/a b/c");
  EXPECT_EQ(url.options.at("key"), "/k?");
  EXPECT_EQ(url.shown(), "sftp://me%40home@host.example:2222/a%20b/c?key=/k%3F");
}

TEST(StoreUrl, knows_addresses_of_version_6) {
  const StoreUrl url = parse_store_url("webdav://[::1]:8080/x", {});
  EXPECT_EQ(url.host, "[::1]");
  EXPECT_EQ(url.port, "8080");
  EXPECT_EQ(parse_store_url("webdav://[::1]/x", {}).authority(), "[::1]");
}

TEST(StoreUrl, a_malformed_one_is_refused) {
  for (const char* url :
       {"webdav://", "webdav:///x", "webdav://host:0/x", "webdav://host:99999/x", "webdav://ho st/x",
        "webdav://host/%2", "webdav://host/%zz", "webdav://host/a%0Ab", "webdav://host/x?unknown=1"}) {
    EXPECT_THROW(parse_store_url(url, {}), Error) << url;
  }
}

TEST(StoreUrl, no_message_has_the_password) {
  for (const char* url :
       {"webdav://me:Secret1@host:99999/x", "webdav://me:Sec/Secret1@host/x", "webdav://me:Secret1%@host/x",
        "ftp://me:Secret1@host/x", "nats://me:Secret1@host:4222", "sftp://me:Secret1@host/x?nothing=1",
        "s3://me:Secret1@bucket/x", "s3://bucket/x?endpoint=http://me:Secret1@host"}) {
    const std::string message = message_of(url);
    EXPECT_FALSE(message.empty()) << url;
    EXPECT_EQ(message.find("Secret1"), std::string::npos) << message;
  }
  EXPECT_EQ(shown("webdav://me:Secret1@host/x"), "webdav://me@host/x");
}

TEST(StoreUrl, percent_encoding_there_and_back) {
  std::string bytes;
  for (int byte = ' '; byte < 256; ++byte) {
    if (byte != 0x7f) bytes += static_cast<char>(byte);
  }
  EXPECT_EQ(percent_decoded(percent_encoded(bytes)), bytes);
  EXPECT_EQ(percent_encoded("a/b c+&?", "/"), "a/b%20c%2B%26%3F");
}

TEST(SnapshotStoreUrl, every_kind_has_a_store) {
  EXPECT_EQ(shown("nats:"), "nats:COLONY_c");
  EXPECT_EQ(shown("nats:other-1"), "nats:other-1");
  EXPECT_EQ(shown("/some/folder/"), "/some/folder");
  EXPECT_EQ(shown("file:///some%20folder"), "/some folder");
  EXPECT_EQ(shown("sftp://host/x"), "sftp://host/x");
  EXPECT_EQ(shown("webdavs://host/x/"), "webdavs://host/x");
  setenv("AWS_ACCESS_KEY_ID", "k", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
  EXPECT_EQ(shown("s3://bucket/x?region=eu-1"), "s3://bucket/x?region=eu-1");
  unsetenv("AWS_SECRET_ACCESS_KEY");
  EXPECT_NE(message_of("s3://bucket/x").find("AWS_SECRET_ACCESS_KEY"), std::string::npos);
  unsetenv("AWS_ACCESS_KEY_ID");
}

TEST(SnapshotStoreUrl, what_is_none_is_told_which_there_are) {
  for (const char* url : {"", "folder", "./folder", "ftp://host/x", "file://host/x", "http://host/x"}) {
    const std::string message = message_of(url);
    EXPECT_NE(message.find("s3://BUCKET/PREFIX"), std::string::npos) << url << ": " << message;
    EXPECT_NE(message.find("nats:[BUCKET]"), std::string::npos) << url << ": " << message;
  }
  EXPECT_NE(message_of("nats:a.b").find("not the name of a bucket"), std::string::npos);
}

}  // namespace
}  // namespace colony
