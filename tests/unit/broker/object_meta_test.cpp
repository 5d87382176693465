#include "replicator/broker/object_meta.h"

#include <gtest/gtest.h>

#include <string>

#include "replicator/log/error.h"

namespace colony {
namespace {

TEST(ObjectMeta, digests_are_those_of_the_standard) {
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  const Sha256::Digest digest = hash.digest();
  EXPECT_EQ(hexadecimal(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(object_digest(digest), "SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=");
}

TEST(ObjectMeta, base64_is_that_of_urls_and_padded) {
  EXPECT_EQ(base64url(""), "");
  EXPECT_EQ(base64url("a"), "YQ==");
  EXPECT_EQ(base64url("ab"), "YWI=");
  EXPECT_EQ(base64url("\xfb\xff\xfe"), "-__-");
}

TEST(ObjectMeta, json_there_and_back) {
  ObjectMeta meta;
  meta.name = "a.snapshot";
  meta.nuid = random_nuid();
  meta.bytes = std::uint64_t{1} << 40;
  meta.chunks = 7;
  meta.chunk_bytes_max = 131072;
  meta.digest = "SHA-256=x";
  const ObjectMeta same = decode_meta(encode_meta(meta, "bucket"));
  EXPECT_EQ(same.name, meta.name);
  EXPECT_EQ(same.nuid, meta.nuid);
  EXPECT_EQ(same.bytes, meta.bytes);
  EXPECT_EQ(same.chunks, meta.chunks);
  EXPECT_EQ(same.chunk_bytes_max, meta.chunk_bytes_max);
  EXPECT_EQ(same.digest, meta.digest);
  EXPECT_FALSE(same.deleted);
  meta.deleted = true;
  EXPECT_TRUE(decode_meta(encode_meta(meta, "bucket")).deleted);
}

TEST(ObjectMeta, that_of_another_client_is_read) {
  const ObjectMeta meta = decode_meta(
      R"({"name":"x","description":"d","headers":{},"options":{"link":{"bucket":"b"}},"bucket":"b","nuid":"n","size":0,)"
      R"("mtime":"0001-01-01T00:00:00Z","chunks":0})");
  EXPECT_TRUE(meta.is_link);
  EXPECT_EQ(meta.digest, "");
}

TEST(ObjectMeta, what_is_none_is_an_error) {
  for (const char* json : {"", "{", "[]", "1", "null", "{}", R"({"name":1})", R"({"name":"x","size":"big"})",
                           R"({"name":"x","options":{"max_chunk_size":"x"}})", R"({"name":"x","size":1.5})",
                           R"({"name":"x","size":-1})", R"({"name":"x","chunks":44444444444444444444444})"}) {
    EXPECT_THROW(decode_meta(json), Error) << json;
  }
}

TEST(ObjectMeta, nuids_differ) { EXPECT_NE(random_nuid(), random_nuid()); }

}  // namespace
}  // namespace colony
