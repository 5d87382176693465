#include "replicator/broker/server_urls.h"

#include <gtest/gtest.h>

#include "replicator/log/error.h"

namespace colony {
namespace {

using Urls = std::vector<std::string>;

TEST(ServerUrls, list_is_split) {
  EXPECT_EQ(parse_server_urls("nats://one:4222").size(), 1u);
  EXPECT_EQ(parse_server_urls("nats://one:4222,tls://two:4223, three").size(), 3u);
}

TEST(ServerUrls, addresses_that_cannot_be_are_refused_by_name) {
  for (const std::string url :
       {"", "http://host", "nats://", "nats://host:port", "nats://host:99999", "nats://host:0"}) {
    try {
      parse_server_urls(url);
      ADD_FAILURE() << "taken: " << url;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "");
    }
  }
}

TEST(ServerUrls, credentials_are_not_shown) {
  for (const std::string url :
       {"nats://user:secret@host:4222", "nats://secret@host:4222", "tls://u:secret@a,nats://secret@b"}) {
    EXPECT_EQ(without_credentials(url).find("secret"), std::string::npos) << without_credentials(url);
  }
  EXPECT_NE(without_credentials("nats://user:secret@host:4222").find("host:4222"), std::string::npos);
}

}  // namespace
}  // namespace colony
