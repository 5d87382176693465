// What a NATS object store says about an object: the JSON of its meta message, as
// the documented layout has it, so that other programs read ours and we theirs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "replicator/broker/sha256.h"

namespace colony {

struct ObjectMeta {
  std::string name;
  std::string nuid;  // the chunks' subject is named by it
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;
  std::uint64_t chunk_bytes_max = 0;
  std::string digest;  // empty when there is none to check
  bool deleted = false;
  bool is_link = false;  // to an object elsewhere, or to a bucket: nothing of ours
};

// 22 random letters and digits.
std::string random_nuid();

// "SHA-256=" and the digest in base64url.
std::string object_digest(const Sha256::Digest& digest);

std::string encode_meta(const ObjectMeta& meta, const std::string& bucket);

// Throws Error on what is not such a JSON document.
ObjectMeta decode_meta(std::string_view json);

}  // namespace colony
