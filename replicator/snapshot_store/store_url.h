// A store's URL, taken apart, and percent-encoding.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace colony {

struct StoreUrl {
  std::string scheme;
  std::string user;      // decoded, as all that follows
  std::string password;  // never in shown() and never in a message
  std::string host;      // without port; IPv6 in brackets
  std::string port;      // empty if none is given
  std::string path;      // begins with / unless empty; without a / at the end
  std::map<std::string, std::string> options;

  // "scheme://user@host:port/path?options", encoded, without the password.
  std::string shown() const;

  // "host:port", or "host".
  std::string authority() const;
};

// Of scheme://[user[:password]@]host[:port][/path][?name=value&...]. Throws Error
// that does not repeat the password: on anything else, and on options that are
// not among `options_known`.
StoreUrl parse_store_url(std::string_view url, const std::vector<std::string_view>& options_known);

// The URL as far as it may be shown, whatever else is wrong with it.
std::string without_password(std::string_view url);

// All but letters, digits, '-', '.', '_', '~' and what is in `kept`.
std::string percent_encoded(std::string_view text, std::string_view kept = "");

// Throws Error on a '%' without two hexadecimal digits and on control characters.
std::string percent_decoded(std::string_view text);

}  // namespace colony
