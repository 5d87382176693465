#include "replicator/broker/broker_settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "replicator/log/error.h"
#include "replicator/log/nkey.h"
#include "replicator/log/secret_file.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

class BrokerSettingsTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::string path = folder_ / name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  std::string error_of(const BrokerSettings& settings) {
    try {
      check_broker_settings(settings);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  unit::TemporaryFolder folder_;
};

TEST_F(BrokerSettingsTest, an_address_is_enough) { EXPECT_EQ(error_of("nats://host:4222"), ""); }

TEST_F(BrokerSettingsTest, a_secret_that_everybody_can_read_is_refused_by_name) {
  BrokerSettings settings("nats://host");
  settings.nkey_file = file("seed", "SUsecret", 0644);
  const std::string error = error_of(settings);
  EXPECT_NE(error.find("chmod 600 " + settings.nkey_file), std::string::npos) << error;
  EXPECT_EQ(error.find("SUsecret"), std::string::npos) << error;
  chmod(settings.nkey_file.c_str(), 0640);
  EXPECT_EQ(error_of(settings), "");
  EXPECT_TRUE(group_can_read(settings.nkey_file));
}

TEST_F(BrokerSettingsTest, credentials_without_their_sections_are_refused_by_name) {
  const std::string token = "eyJ0eXAi.eyJzdWIi.c2ln", seed = make_user_nkey().seed;
  const std::string token_section = "-----BEGIN NATS USER JWT-----\r\n" + token + "\n------END NATS USER JWT------\n\n";
  const auto seed_section = [](const std::string& text) {
    return "-----BEGIN USER NKEY SEED-----\n" + text + "\n------END USER NKEY SEED------\n";
  };
  const auto error_with = [&](const std::string& text) {
    BrokerSettings settings("nats://host");
    settings.credentials_file = file("user.creds", text);
    const std::string error = error_of(settings);
    EXPECT_TRUE(error.empty() || error.starts_with(settings.credentials_file)) << error;
    EXPECT_EQ(error.find(seed), std::string::npos) << error;
    EXPECT_EQ(error.find(token), std::string::npos) << error;
    return error;
  };
  EXPECT_EQ(error_with(token_section + seed_section(seed)), "");
  EXPECT_NE(error_with(seed).find("no token"), std::string::npos);
  EXPECT_NE(error_with(token + "\n" + seed).find("no token"), std::string::npos);
  EXPECT_NE(error_with(seed_section(seed)).find("no token"), std::string::npos);
  EXPECT_NE(error_with(token_section).find("no seed"), std::string::npos);
  EXPECT_NE(error_with(token_section + seed_section("SUAB")).find("seed of a user's nkey"), std::string::npos);
  EXPECT_NE(error_with("").find("is empty"), std::string::npos);
}

TEST_F(BrokerSettingsTest, credentials_that_cannot_be_read_are_refused_by_name) {
  BrokerSettings settings("nats://host");
  settings.credentials_file = folder_ / "missing.creds";
  EXPECT_EQ(error_of(settings), settings.credentials_file + " cannot be read: No such file or directory");
  settings.credentials_file = folder_ / ".";
  EXPECT_EQ(error_of(settings), settings.credentials_file + " cannot be read: Is a directory");
}

TEST_F(BrokerSettingsTest, what_does_not_go_together_is_refused) {
  BrokerSettings settings("nats://host");
  settings.user = "u";
  EXPECT_NE(error_of(settings).find("password"), std::string::npos);
  settings.password = "hidden";
  EXPECT_EQ(error_of(settings), "");
  settings.nkey_file = file("seed", "x");
  EXPECT_NE(error_of(settings), "");
  EXPECT_EQ(error_of(settings).find("hidden"), std::string::npos);
  settings = BrokerSettings("nats://host");
  settings.certificate_file = file("certificate", "x");
  EXPECT_NE(error_of(settings).find("--tls-key"), std::string::npos);
}

TEST_F(BrokerSettingsTest, access_is_told_without_the_secrets) {
  BrokerSettings settings("nats://me:hidden@host");
  settings.user = "me";
  settings.password = "hidden";
  settings.token = "hidden";
  settings.ca_file = "/etc/ca with = sign.pem";
  const std::string text = access_text(settings);
  EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
  BrokerSettings other("nats://host");
  add_access(other, text);
  EXPECT_EQ(other.ca_file, settings.ca_file);
  EXPECT_EQ(other.user, "me");
}

TEST_F(BrokerSettingsTest, a_secret_is_written_once_and_for_its_user_alone) {
  const std::string path = folder_ / "secret";
  const mode_t before = umask(0);
  write_secret(path, "text\n");
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(read_secret(path), "text");
  EXPECT_THROW(write_secret(path, "other"), Error);
  EXPECT_EQ(read_secret(path), "text");
}

TEST(Nkey, the_public_key_is_found_in_a_file_with_lines_around_the_seed) {
  const UserNkey made = make_user_nkey();
  EXPECT_TRUE(made.seed.starts_with("SU") && made.seed.size() == 58) << made.public_key;
  EXPECT_TRUE(made.public_key.starts_with("U") && made.public_key.size() == 56) << made.public_key;
  EXPECT_EQ(public_nkey("-----BEGIN USER NKEY SEED-----\n" + made.seed + "\n------END"), made.public_key);
}

TEST(Nkey, what_is_no_seed_is_refused_without_showing_it) {
  std::string damaged = make_user_nkey().seed;
  damaged[20] = damaged[20] == 'A' ? 'B' : 'A';
  for (const std::string& text : {damaged, std::string("SUPERSECRET"), std::string()}) {
    try {
      public_nkey(text);
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_TRUE(text.empty() || std::string(error.what()).find(text) == std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace colony
