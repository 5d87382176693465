#include "replicator/broker/credentials_file.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "replicator/log/error.h"
#include "replicator/log/nkey.h"
#include "replicator/log/secret_file.h"

namespace colony {
namespace {

bool is_marker(std::string_view line) { return line.size() >= 6 && line.starts_with("---") && line.ends_with("---"); }

std::string_view trimmed(std::string_view line) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  return line;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(trimmed(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// What stands in one line between two of dashes.
std::vector<std::string_view> sections_of(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  std::vector<std::string_view> sections;
  for (std::size_t i = 0; i + 2 < lines.size(); ++i) {
    if (is_marker(lines[i]) && !is_marker(lines[i + 1]) && is_marker(lines[i + 2])) {
      sections.push_back(lines[i + 1]);
      i += 2;
    }
  }
  return sections;
}

bool is_token(std::string_view text) {
  const auto is_of_it = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return std::count(text.begin(), text.end(), '.') == 2 && std::all_of(text.begin(), text.end(), is_of_it);
}

}  // namespace

void check_credentials_file(const std::string& path) {
  const std::string text = read_secret(path);
  const std::vector<std::string_view> sections = sections_of(text);
  if (sections.empty() || !is_token(sections[0])) {
    throw Error(path +
                " has no token of a user (between -----BEGIN NATS USER JWT----- and its end): is it the .creds file?");
  }
  if (sections.size() < 2) {
    throw Error(path +
                " has no seed (between -----BEGIN USER NKEY SEED----- and its end): is it the whole .creds file?");
  }
  try {
    public_nkey(sections[1]);
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
}

}  // namespace colony
