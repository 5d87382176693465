// Where the broker is, how to make sure that it is the right one, and who we are
// to it. One of these goes wherever a connection is made.
//
// Secrets are named by their files, which are read anew for each connection, so
// that they can be changed under a running sidecar. None of them is ever part of a
// text that is shown.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace colony {

struct BrokerSettings {
  // nats://host:port[,more], tried in this order; tls:// for TLS. A user and a
  // password may stand in it.
  std::string urls;

  // TLS, also without tls:// in the URLs. PEM files.
  std::string ca_file = {};           // whom to trust; not given: the system's authorities
  std::string certificate_file = {};  // our own certificate and its key
  std::string key_file = {};

  // At most one of these, and of what the URL has.
  std::string credentials_file = {};  // a .creds file: a JWT and its seed
  std::string nkey_file = {};         // the seed of a user's nkey
  std::string user = {};              // with one of the next two
  std::string password_file = {};
  std::string password = {};
  std::string token_file = {};
  std::string token = {};

  BrokerSettings(std::string addresses = {}) : urls(std::move(addresses)) {}  // NOLINT(google-explicit-constructor)
  BrokerSettings(const char* addresses) : urls(addresses) {}                  // NOLINT(google-explicit-constructor)

  bool operator==(const BrokerSettings&) const = default;

  bool uses_tls() const;
  // Whether it says anything but where the broker is.
  bool has_access() const;
};

// Throws Error when two kinds of access are given, a part of one is missing, or a
// file cannot be read or is one that everybody can read.
void check_broker_settings(const BrokerSettings& settings);

// What it says but the URLs and the secrets themselves: names of files and the
// user's. For those who are to use the same access; only to be read by this.
std::string access_text(const BrokerSettings& settings);
void add_access(BrokerSettings& settings, std::string_view access_text);

}  // namespace colony
