#include "replicator/broker/server_urls.h"

#include <algorithm>
#include <charconv>

#include "replicator/log/error.h"

namespace colony {

namespace {

struct UrlParts {
  std::string_view scheme;  // empty, or with "://"
  std::string_view credentials;
  std::string_view address;  // host and port
};

UrlParts split_url(std::string_view url) {
  UrlParts parts;
  if (auto end = url.find("://"); end != url.npos) {
    parts.scheme = url.substr(0, end + 3);
    url.remove_prefix(end + 3);
  }
  if (auto at = url.rfind('@'); at != url.npos) {
    parts.credentials = url.substr(0, at);
    url.remove_prefix(at + 1);
  }
  if (!url.empty() && url.back() == '/') url.remove_suffix(1);
  parts.address = url;
  return parts;
}

std::vector<std::string_view> split_list(std::string_view urls) {
  std::vector<std::string_view> list;
  while (true) {
    const auto comma = urls.find(',');
    std::string_view one = urls.substr(0, comma);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    list.push_back(one);
    if (comma == urls.npos) return list;
    urls.remove_prefix(comma + 1);
  }
}

bool is_valid_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool is_valid_address(std::string_view address) {
  std::string_view host = address;
  std::string_view after;
  if (!address.empty() && address.front() == '[') {
    const auto bracket = address.find(']');
    if (bracket == address.npos || bracket == 1) return false;
    host = address.substr(1, bracket - 1);
    after = address.substr(bracket + 1);
  } else if (const auto colon = address.find(':'); colon != address.npos) {
    host = address.substr(0, colon);
    after = address.substr(colon);
  }
  if (!after.empty() && (after.front() != ':' || !is_valid_port(after.substr(1)))) return false;
  return !host.empty() && std::none_of(host.begin(), host.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '?' || c == '#';
  });
}

}  // namespace

std::vector<std::string> parse_server_urls(std::string_view urls) {
  std::vector<std::string> parsed;
  for (std::string_view url : split_list(urls)) {
    const UrlParts parts = split_url(url);
    const bool scheme_known = parts.scheme.empty() || parts.scheme == "nats://" || parts.scheme == "tls://";
    if (!scheme_known || !is_valid_address(parts.address)) {
      throw Error("'" + without_credentials(url) + "' is not the address of a NATS server: write nats://HOST:PORT");
    }
    parsed.emplace_back(url);
  }
  return parsed;
}

std::string without_credentials(std::string_view urls) {
  std::string shown;
  for (std::string_view url : split_list(urls)) {
    const UrlParts parts = split_url(url);
    if (!shown.empty()) shown += ',';
    shown.append(parts.scheme).append(parts.address);
  }
  return shown;
}

}  // namespace colony
