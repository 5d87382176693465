#include "replicator/broker/object_meta.h"

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>

#include "replicator/log/error.h"

namespace colony {

namespace {

// For people only: nothing decides by it.
std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text;
  return std::string(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

// A number of bytes or chunks, or 0 where there is none. A fraction or a number that
// no size can be is refused: its conversion would not be defined.
std::uint64_t count_in(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return 0;
  if (!found->is_number_unsigned())
    throw Error(std::string("an object in the store has a '") + name + "' that is no whole number");
  return found->get<std::uint64_t>();
}

}  // namespace

std::string random_nuid() {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::random_device random;
  std::uniform_int_distribution<std::size_t> letter(0, kLetters.size() - 1);
  std::string nuid;
  for (int i = 0; i < 22; ++i) nuid += kLetters[letter(random)];
  return nuid;
}

std::string object_digest(const Sha256::Digest& digest) {
  return "SHA-256=" + base64url({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string encode_meta(const ObjectMeta& meta, const std::string& bucket) {
  nlohmann::ordered_json json = {{"name", meta.name},     {"options", {{"max_chunk_size", meta.chunk_bytes_max}}},
                                 {"bucket", bucket},      {"nuid", meta.nuid},
                                 {"size", meta.bytes},    {"mtime", now_text()},
                                 {"chunks", meta.chunks}, {"digest", meta.digest}};
  if (meta.deleted) json["deleted"] = true;
  return json.dump();
}

ObjectMeta decode_meta(std::string_view json) {
  try {
    const auto document = nlohmann::json::parse(json);
    ObjectMeta meta;
    meta.name = document.at("name").get<std::string>();
    meta.nuid = document.value("nuid", "");
    meta.bytes = count_in(document, "size");
    meta.chunks = count_in(document, "chunks");
    meta.digest = document.value("digest", "");
    meta.deleted = document.value("deleted", false);
    if (const auto options = document.find("options"); options != document.end() && options->is_object()) {
      meta.chunk_bytes_max = count_in(*options, "max_chunk_size");
      meta.is_link = options->contains("link");
    }
    return meta;
  } catch (const nlohmann::json::exception& failure) {
    throw Error(std::string("a description in the object store is not what one should be: ") + failure.what());
  }
}

}  // namespace colony
