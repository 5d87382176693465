#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "replicator/cli/command.h"
#include "replicator/log/error.h"
#include "replicator/status/status.h"

namespace colony::cli {
namespace {

constexpr const char* kAccessGroup = "Connection to the broker";

std::string variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets variables
  return value == nullptr ? "" : value;
}

void make_absolute(std::string& path) {
  if (!path.empty()) path = std::filesystem::absolute(path).string();
}

// What stands between :// and @, if anything does.
std::string_view user_information(std::string_view url) {
  if (const auto scheme = url.find("://"); scheme != url.npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('/'));
  const auto at = url.rfind('@');
  return at == url.npos ? std::string_view() : url.substr(0, at);
}

bool is_broker_url(std::string_view url) { return url.starts_with("nats://") || url.starts_with("tls://"); }

bool has_secret(std::string_view list, bool of_broker) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    const std::string_view url = list.substr(0, end);
    const std::string_view user = user_information(url);
    // A broker takes what stands there alone for a token.
    const bool any = of_broker || is_broker_url(url);
    const bool is_url = any || url.find("://") != url.npos;
    if (is_url && !user.empty() && (any || user.find(':') != user.npos)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

void refuse_secrets_on_the_command_line(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool after_flag = std::string_view(argv[i - 1]) == "--nats";
    const bool with_flag = word.starts_with("--nats=");
    std::string_view value = word;
    if (value.starts_with("--") && value.find('=') != value.npos) value.remove_prefix(value.find('=') + 1);
    if (!has_secret(value, after_flag || with_flag)) continue;
    throw Error(
        after_flag || with_flag || is_broker_url(value)
            ? "the broker's address on the command line has a password or a token, which everybody on this machine can "
              "see there: give the address in COLONY_NATS or in the file of --config, or the secret by --password-file "
              "or --token-file"
            : "a URL on the command line has a password, which everybody on this machine can see there: give it in "
              "COLONY_STORE_PASSWORD");
  }
}

void add_access(CLI::App& command, BrokerSettings& broker) {
  const auto add = [&](const char* flag, std::string& target, const char* env, const char* type, const char* help) {
    command.add_option(flag, target, help)->envname(env)->type_name(type)->group(kAccessGroup);
  };
  add("--tls-ca", broker.ca_file, "COLONY_TLS_CA", "FILE",
      "Use TLS, and trust the authorities in this PEM file instead of the system's");
  add("--tls-cert", broker.certificate_file, "COLONY_TLS_CERT", "FILE",
      "Use TLS, and present this certificate if the broker asks for one");
  add("--tls-key", broker.key_file, "COLONY_TLS_KEY", "FILE", "Private key of the certificate");
  add("--creds", broker.credentials_file, "COLONY_CREDS", "FILE", "Log in with this .creds file");
  add("--nkey", broker.nkey_file, "COLONY_NKEY", "FILE",
      "Log in with the nkey in this file, made by colony keygen --nkey");
  add("--user", broker.user, "COLONY_USER", "NAME",
      "Log in as this user, with the password of --password-file or $COLONY_PASSWORD");
  add("--password-file", broker.password_file, "COLONY_PASSWORD_FILE", "FILE", "File with the user's password");
  add("--token-file", broker.token_file, "COLONY_TOKEN_FILE", "FILE",
      "Log in with the token in this file, or with $COLONY_TOKEN");
}

void add_broker(CLI::App& command, BrokerSettings& broker) {
  command
      .add_option(
          "--nats", broker.urls,
          "Address of the NATS server, or several separated by commas. Without it: what the running sidecar uses, else "
          "nats://127.0.0.1:4222")
      ->envname("COLONY_NATS")
      ->type_name("URL");
  add_access(command, broker);
}

BrokerSettings complete(BrokerSettings broker) {
  if (!broker.user.empty() && broker.password_file.empty()) broker.password = variable("COLONY_PASSWORD");
  const bool by_other = !broker.user.empty() || !broker.credentials_file.empty() || !broker.nkey_file.empty();
  if (!by_other && broker.token_file.empty()) broker.token = variable("COLONY_TOKEN");
  for (std::string* path : {&broker.ca_file, &broker.certificate_file, &broker.key_file, &broker.credentials_file,
                            &broker.nkey_file, &broker.password_file, &broker.token_file}) {
    make_absolute(*path);
  }
  check_broker_settings(broker);
  return broker;
}

BrokerSettings broker_of(const std::string& database, const BrokerSettings& given) {
  BrokerSettings broker = given;
  const bool asks_sidecar = broker.urls.empty() || !broker.has_access();
  const std::optional<StatusView> sidecar = asks_sidecar ? Status::of(database) : std::nullopt;
  if (sidecar && !broker.has_access()) add_access(broker, sidecar->access);
  if (broker.urls.empty()) broker.urls = sidecar && !sidecar->broker.empty() ? sidecar->broker : kDefaultBroker;
  return complete(std::move(broker));
}

}  // namespace colony::cli
