#include "tests/load/metad/target.h"

namespace metad {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  if (!is_utf8(out) || out.find('\0') != std::string::npos) return std::nullopt;
  return out;
}

bool parse_query(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals), true);
    auto value = decoded(equals == pair.npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    if (!pair.empty() && !query.emplace(std::move(*name), std::move(*value)).second) return false;
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
  return true;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t more = lead >= 0xc2 && lead < 0xe0   ? 1
                             : (lead & 0xf0) == 0xe0       ? 2
                             : lead >= 0xf0 && lead < 0xf5 ? 3
                                                           : 0;
    if (more == 0 || i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    // Overlong forms, surrogates, and what lies beyond the last code point.
    const unsigned char second = byte(i + 1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += more + 1;
  }
  return true;
}

std::optional<Target> parse_target(std::string_view text) {
  Target target;
  const std::size_t question = text.find('?');
  if (question != text.npos && !parse_query(text.substr(question + 1), target.query)) return std::nullopt;
  std::string_view path = text.substr(0, question);
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);

  // Slashes part before escapes are decoded: a space's name may have one.
  const auto part = [](std::string_view& from, bool& more) {
    const std::size_t slash = from.find('/');
    const std::string_view head = from.substr(0, slash);
    more = slash != from.npos;
    from = more ? from.substr(slash + 1) : std::string_view();
    return decoded(head, false);
  };
  auto kind = part(path, target.has_rest);
  auto rest = decoded(path, false);
  auto first = part(path, target.has_tail);
  auto tail = decoded(path, false);
  if (!kind || !rest || !first || !tail) return std::nullopt;
  target.kind = std::move(*kind);
  target.rest = std::move(*rest);
  target.first = std::move(*first);
  target.tail = std::move(*tail);
  return target;
}

}  // namespace metad
