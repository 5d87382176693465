// Ed25519 keys, by OpenSSL: a node signs its entries with the private one, and the
// colony knows it by the public one.
//
// Threads: any; a SigningKey may be used by several at once.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace colony {

inline constexpr std::size_t kPublicKeyBytes = 32;
inline constexpr std::size_t kSignatureBytes = 64;

struct PublicKey {
  std::array<unsigned char, kPublicKeyBytes> bytes{};

  auto operator<=>(const PublicKey&) const = default;

  // 64 hexadecimal digits, and back; nothing if it is no such text.
  std::string text() const;
  static std::optional<PublicKey> parse(std::string_view text);

  // Whether `signature` is that of this key's owner under `message`.
  bool verifies(std::string_view message, std::string_view signature) const;
};

class SigningKey {
 public:
  static SigningKey generate();
  // From 32 secret bytes. Throws Error if they are not so many.
  static SigningKey from_seed(std::string_view seed);
  // From a PEM file, as pem() gives it and `openssl genpkey -algorithm ed25519` too.
  // Throws Error with the file's name.
  static SigningKey from_file(const std::string& path);

  const PublicKey& public_key() const { return public_key_; }
  std::string sign(std::string_view message) const;

  // PKCS #8 in PEM, without a passphrase. A secret.
  std::string pem() const;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  using KeyHandle = std::unique_ptr<EVP_PKEY, FreeKey>;

  explicit SigningKey(KeyHandle key);

  KeyHandle key_;
  PublicKey public_key_;
};

}  // namespace colony
