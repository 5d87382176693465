#include "replicator/snapshot_store/store_url.h"

#include <algorithm>
#include <charconv>

#include "replicator/log/error.h"

namespace colony {

namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

bool is_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// What stands before `separator` in `rest`, which keeps what follows it.
std::string_view cut(std::string_view& rest, std::string_view separator) {
  const auto at = rest.find(separator);
  const std::string_view before = rest.substr(0, at);
  rest = at == rest.npos ? std::string_view() : rest.substr(at + separator.size());
  return before;
}

struct Chunks {
  std::string_view scheme, credentials, address, path, query;
};

Chunks split(std::string_view url) {
  Chunks chunks;
  chunks.query = url;
  url = cut(chunks.query, "?");
  chunks.scheme = cut(url, "://");
  const auto slash = std::min(url.find('/'), url.size());
  chunks.address = url.substr(0, slash);
  chunks.path = url.substr(slash);
  if (const auto at = chunks.address.rfind('@'); at != chunks.address.npos) {
    chunks.credentials = chunks.address.substr(0, at);
    chunks.address.remove_prefix(at + 1);
  }
  return chunks;
}

void take_address(StoreUrl& parsed, std::string_view address) {
  const auto bracket = address.find(']');
  const auto colon = address.find(':', bracket == address.npos ? 0 : bracket);
  parsed.host = address.substr(0, colon);
  if (colon != address.npos) parsed.port = address.substr(colon + 1);
  const bool host_is_fine = !parsed.host.empty() && std::all_of(parsed.host.begin(), parsed.host.end(), [](char c) {
    return is_unreserved(c) || c == '[' || c == ']' || c == ':';
  });
  if (!host_is_fine) throw Error("it names no host");
  if (colon != address.npos && !is_port(parsed.port)) throw Error("'" + parsed.port + "' is not a port");
}

void take_options(StoreUrl& parsed, std::string_view query, const std::vector<std::string_view>& options_known) {
  while (!query.empty()) {
    std::string_view value = cut(query, "&");
    const std::string name(cut(value, "="));
    if (std::find(options_known.begin(), options_known.end(), name) == options_known.end()) {
      throw Error("it has no option '" + name + "'");
    }
    parsed.options[name] = percent_decoded(value);
  }
}

}  // namespace

std::string StoreUrl::authority() const { return port.empty() ? host : host + ":" + port; }

std::string StoreUrl::shown() const {
  std::string text =
      scheme + "://" + (user.empty() ? "" : percent_encoded(user) + "@") + authority() + percent_encoded(path, "/");
  char separator = '?';
  for (const auto& [name, value] : options) {
    text += separator + name + "=" + percent_encoded(value, "/:");
    separator = '&';
  }
  return text;
}

StoreUrl parse_store_url(std::string_view url, const std::vector<std::string_view>& options_known) {
  try {
    const Chunks chunks = split(url);
    StoreUrl parsed;
    parsed.scheme = chunks.scheme;
    std::string_view password = chunks.credentials;
    parsed.user = percent_decoded(cut(password, ":"));
    parsed.password = percent_decoded(password);
    take_address(parsed, chunks.address);
    parsed.path = percent_decoded(chunks.path);
    while (parsed.path.ends_with('/')) parsed.path.pop_back();
    take_options(parsed, chunks.query, options_known);
    return parsed;
  } catch (const Error& error) {
    throw Error("'" + without_password(url) + "' is not the URL of a snapshot store: " + error.what());
  }
}

std::string without_password(std::string_view url) {
  const auto begin = url.find("://");
  if (begin == url.npos) return std::string(url);
  // The last one: a password with a '/' or '@' of its own is malformed, and secret
  // all the same.
  const auto at = url.rfind('@');
  const auto colon = url.find(':', begin + 3);
  if (at == url.npos || colon > at) return std::string(url);
  return std::string(url.substr(0, colon)) + std::string(url.substr(at));
}

std::string percent_encoded(std::string_view text, std::string_view kept) {
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c) || kept.find(c) != kept.npos) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    }
  }
  return encoded;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
        throw Error("a '%' in it is not followed by two hexadecimal digits");
      }
      i += 2;
    }
    if (byte < ' ' || byte == 0x7f) throw Error("it has a control character");
    decoded += static_cast<char>(byte);
  }
  return decoded;
}

}  // namespace colony
