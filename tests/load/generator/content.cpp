#include "tests/load/generator/content.h"

#include <spdlog/fmt/fmt.h>
#include <string.h>

#include <charconv>
#include <string>

#include "tests/load/generator/workload.h"

namespace load {
namespace {

// A number behind a prefix, as it is written and not otherwise; kCorrupt if it is none.
std::uint64_t number_behind(std::string_view text, std::string_view prefix) {
  std::uint64_t number = kCorrupt;
  if (text.substr(0, prefix.size()) != prefix) return kCorrupt;
  text.remove_prefix(prefix.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : kCorrupt;
}

std::uint32_t count_of(std::string_view text, std::string_view part) {
  std::uint32_t count = 0;
  while (const void* const found = memmem(text.data(), text.size(), part.data(), part.size())) {
    ++count;
    text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + part.size());
  }
  return count;
}

}  // namespace

Content content_of(std::string_view value) {
  const auto bytes = static_cast<std::uint32_t>(value.size());
  const std::uint64_t token = token_of(value);
  return {token < kCorrupt && value == value_of(token, bytes) ? token : kCorrupt, bytes};
}

metad::PutObject added_object(std::uint64_t token, unsigned node) {
  const std::string name = object_name(token);
  return {name,
          fmt::format("{:064x}", token),
          "load",
          static_cast<std::int64_t>(token),
          {{fmt::format("n{}", node), fmt::format("https://n{}.example.org/{}", node, name), "ready"}}};
}

AddedObject added_object_of(const metad::PutObject& found) {
  const std::uint64_t token = number_behind(found.key, "new/");
  if (token == kCorrupt || found.placements.size() != 1) return {kCorrupt, 0};
  const metad::Placement& placement = found.placements.front();
  const auto node = static_cast<unsigned>(number_behind(placement.node, "n"));
  const metad::PutObject wanted = added_object(token, node);
  const metad::Placement& there = wanted.placements.front();
  const bool is_whole = found.key == wanted.key && found.sha256 == wanted.sha256 && found.owner == wanted.owner &&
                        found.size == wanted.size && placement.node == there.node && placement.url == there.url &&
                        placement.state == there.state;
  return is_whole ? AddedObject{token, node} : AddedObject{kCorrupt, 0};
}

bool is_list_of(std::string_view body, std::uint32_t set) {
  constexpr std::string_view kBegin = R"({"objects":[{)", kEnd = "}]}";
  if (body.substr(0, kBegin.size()) != kBegin || body.size() < kBegin.size() + kEnd.size()) return false;
  if (body.substr(body.size() - kEnd.size()) != kEnd) return false;
  if (count_of(body, R"("key":")" + set_prefix(set)) != kSetSize) return false;
  for (const std::string_view part :
       {R"("key":")", R"("owner":")", R"("placements":[)", R"("sha256":")", R"("size":)"}) {
    if (count_of(body, part) != kSetSize) return false;
  }
  return true;
}

}  // namespace load
