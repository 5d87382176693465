#include "replicator/log/nkey.h"

#include <openssl/rand.h>

#include <cstdint>
#include <optional>

#include "replicator/log/error.h"
#include "replicator/log/signing.h"

namespace colony {
namespace {

// Chosen so that the text begins with S, U.
constexpr unsigned kSeedPrefix = 18u << 3, kUserPrefix = 20u << 3;
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kSeedTextBytes = 58;  // of 2 + 32 + 2 bytes

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// CRC-16/XMODEM.
std::uint16_t crc16(std::string_view bytes) {
  std::uint16_t crc = 0;
  for (const char c : bytes) {
    crc = static_cast<std::uint16_t>(crc ^ (static_cast<unsigned char>(c) << 8));
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<std::uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
  }
  return crc;
}

std::string with_crc(std::string bytes) {
  const std::uint16_t crc = crc16(bytes);
  bytes += static_cast<char>(crc & 0xff);
  bytes += static_cast<char>(crc >> 8);
  return bytes;
}

std::string base32(std::string_view bytes) {
  std::string text;
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = (buffer << 8 | static_cast<unsigned char>(c)) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) text += kAlphabet[buffer >> (bits - 5) & 31];
  }
  if (bits > 0) text += kAlphabet[buffer << (5 - bits) & 31];
  return text;
}

std::optional<std::string> from_base32(std::string_view text) {
  std::string bytes;
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == kAlphabet.npos) return std::nullopt;
    buffer = (buffer << 5 | static_cast<unsigned>(value)) & 0xffff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(buffer >> bits & 0xff);
  }
  return bytes;
}

std::string public_text(const PublicKey& key) {
  std::string bytes(1, static_cast<char>(kUserPrefix));
  bytes.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  return base32(with_crc(std::move(bytes)));
}

// A seed's prefix is two: that it is one, and what of.
std::string seed_text(std::string_view seed) {
  std::string bytes;
  bytes += static_cast<char>(kSeedPrefix | kUserPrefix >> 5);
  bytes += static_cast<char>((kUserPrefix & 31) << 3);
  bytes += seed;
  return base32(with_crc(std::move(bytes)));
}

}  // namespace

UserNkey make_user_nkey() {
  std::string seed(kSeedBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(seed.data()), static_cast<int>(seed.size())) != 1) {
    throw Error("OpenSSL has no random numbers");
  }
  return {seed_text(seed), public_text(SigningKey::from_seed(seed).public_key())};
}

std::string public_nkey(std::string_view text) {
  for (std::size_t at = text.find("SU"); at != text.npos; at = text.find("SU", at + 1)) {
    const auto bytes = from_base32(text.substr(at, kSeedTextBytes));
    if (!bytes || bytes->size() != 2 + kSeedBytes + 2) continue;
    const std::string seed = bytes->substr(2, kSeedBytes);
    if (seed_text(seed) == text.substr(at, kSeedTextBytes))
      return public_text(SigningKey::from_seed(seed).public_key());
  }
  throw Error("there is no seed of a user's nkey (SU...)");
}

}  // namespace colony
