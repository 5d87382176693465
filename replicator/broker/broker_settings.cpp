#include "replicator/broker/broker_settings.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "replicator/broker/credentials_file.h"
#include "replicator/broker/server_urls.h"
#include "replicator/log/error.h"
#include "replicator/log/secret_file.h"

namespace colony {
namespace {

struct Field {
  const char* name;
  std::string BrokerSettings::*value;
};
constexpr Field kShownFields[] = {
    {"tls-ca", &BrokerSettings::ca_file},        {"tls-cert", &BrokerSettings::certificate_file},
    {"tls-key", &BrokerSettings::key_file},      {"creds", &BrokerSettings::credentials_file},
    {"nkey", &BrokerSettings::nkey_file},        {"user", &BrokerSettings::user},
    {"token-file", &BrokerSettings::token_file}, {"password-file", &BrokerSettings::password_file},
};

void require_readable(const std::string& path) {
  if (path.empty() || access(path.c_str(), R_OK) == 0) return;
  throw Error(path + " cannot be read: " + std::strerror(errno));
}

}  // namespace

bool BrokerSettings::uses_tls() const {
  return !ca_file.empty() || !certificate_file.empty() || urls.find("tls://") != std::string::npos;
}

bool BrokerSettings::has_access() const { return *this != BrokerSettings(urls); }

void check_broker_settings(const BrokerSettings& settings) {
  parse_server_urls(settings.urls);
  const bool by_password = !settings.password.empty() || !settings.password_file.empty();
  const bool by_token = !settings.token.empty() || !settings.token_file.empty();
  const int kinds = static_cast<int>(!settings.credentials_file.empty()) +
                    static_cast<int>(!settings.nkey_file.empty()) + static_cast<int>(!settings.user.empty()) +
                    static_cast<int>(by_token);
  if (kinds > 1) throw Error("give one of --creds, --nkey, --user and --token-file: a broker knows a client by one");
  if (!settings.user.empty() && !by_password) {
    throw Error("--user needs a password: give --password-file, or COLONY_PASSWORD in the environment");
  }
  if (settings.user.empty() && by_password) throw Error("a password needs a user: give --user");
  if (settings.certificate_file.empty() != settings.key_file.empty()) {
    throw Error("--tls-cert and --tls-key go together: a certificate is of no use without its key");
  }
  require_readable(settings.ca_file);
  require_readable(settings.certificate_file);
  for (const std::string* secret : {&settings.key_file, &settings.credentials_file, &settings.nkey_file,
                                    &settings.password_file, &settings.token_file}) {
    if (!secret->empty()) require_secret_file(*secret);
  }
  if (!settings.credentials_file.empty()) check_credentials_file(settings.credentials_file);
}

std::string access_text(const BrokerSettings& settings) {
  std::string text;
  for (const Field& field : kShownFields) {
    const std::string& value = settings.*field.value;
    if (!value.empty() && value.find('\n') == value.npos) text += std::string(field.name) + "=" + value + "\n";
  }
  return text;
}

void add_access(BrokerSettings& settings, std::string_view access_text) {
  while (!access_text.empty()) {
    const std::size_t end = std::min(access_text.find('\n'), access_text.size());
    const std::string_view line = access_text.substr(0, end);
    for (const Field& field : kShownFields) {
      const std::string_view name = field.name;
      if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=') {
        settings.*field.value = line.substr(name.size() + 1);
      }
    }
    access_text.remove_prefix(std::min(end + 1, access_text.size()));
  }
}

}  // namespace colony
