#include "tests/load/generator/workload.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tests/load/metad/database.h"
#include "tests/load/metad/messages.h"

namespace load {

const char* name_of(Operation operation) {
  static constexpr std::array<const char*, kOperations> kNames = {"read",       "list", "write", "compare_and_set",
                                                                  "add_object", "probe"};
  return kNames[static_cast<std::size_t>(operation)];
}

std::string key_name(std::uint32_t key) { return fmt::format("k{:07}", key); }
std::string set_prefix(std::uint32_t set) { return fmt::format("set/{:05}/", set); }
std::string object_name(std::uint64_t token) { return fmt::format("new/{:017}", token); }

std::string value_of(std::uint64_t token, std::uint32_t bytes) {
  std::string value = fmt::format("{} ", token);
  if (value.size() < bytes) value.resize(bytes, static_cast<char>('a' + token % 26));
  return value;
}

std::uint64_t token_of(std::string_view value) {
  std::uint64_t token = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), token);
  return error == std::errc() && end != value.data() + value.size() && *end == ' ' ? token : ~0ULL;
}

void prepare(const std::string& path, const Dataset& dataset) {
  metad::Database db = metad::open_database(path, metad::Database::Mode::kProgram, 5000);
  db.execute("PRAGMA journal_mode = WAL");
  colony::WriteTransaction transaction(db);
  metad::Statement value(db, "INSERT INTO kv(namespace, key, value) VALUES(?1, ?2, ?3)");
  const std::string content = value_of(0, dataset.value_bytes);
  for (std::uint32_t key = 0; key < dataset.keys; ++key) {
    const std::string name = key_name(key);
    value.bind(1, std::string_view(kSpace)).bind(2, name).bind_blob(3, content).run();
  }
  metad::Statement object(db, "INSERT INTO objects(key, size, sha256, owner, modified) VALUES(?1, ?2, ?3, ?4, ?5)");
  metad::Statement placement(db, "INSERT INTO placements(object, node, url, state) VALUES(?1, ?2, ?3, 'ready')");
  const std::string now = metad::utc_text();
  for (std::uint32_t n = 0; n < dataset.objects; ++n) {
    const std::string name = fmt::format("{}{:05}", set_prefix(n / kSetSize), n);
    const std::string hash = fmt::format("{:064x}", n * 2654435761ULL);
    object.bind(1, name).bind(2, n).bind(3, hash).bind(4, std::string_view("ada")).bind(5, now).run();
    for (const char* const node : {"a", "b"}) {
      const std::string url = fmt::format("https://{}.example.org/{}", node, name);
      placement.bind(1, name).bind(2, std::string_view(node)).bind(3, url).run();
    }
  }
  transaction.commit();
}

KeyChooser::KeyChooser(std::uint32_t count, double skew) : count_(count) {
  if (skew <= 0) return;
  cumulated_.reserve(count);
  double sum = 0;
  for (std::uint32_t n = 1; n <= count; ++n) cumulated_.push_back(sum += std::pow(n, -skew));
}

std::uint32_t KeyChooser::operator()(std::mt19937_64& random) const {
  if (cumulated_.empty()) return static_cast<std::uint32_t>(random() % count_);
  const double point = std::uniform_real_distribution<>(0, cumulated_.back())(random);
  const auto found = std::upper_bound(cumulated_.begin(), cumulated_.end(), point) - cumulated_.begin();
  return std::min(static_cast<std::uint32_t>(found), count_ - 1);
}

Operation choose(const Mix& mix, std::mt19937_64& random) {
  const double all = mix.read + mix.list + mix.write + mix.compare_and_set;
  double point = std::uniform_real_distribution<>(0, all)(random);
  if ((point -= mix.read) < 0) return Operation::kRead;
  if ((point -= mix.list) < 0) return Operation::kList;
  if ((point -= mix.compare_and_set) < 0) return Operation::kCompareAndSet;
  return std::uniform_real_distribution<>(0, 1)(random) < mix.new_objects ? Operation::kAddObject : Operation::kWrite;
}

}  // namespace load
