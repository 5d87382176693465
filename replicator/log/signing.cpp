#include "replicator/log/signing.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "replicator/log/error.h"
#include "replicator/log/secret_file.h"

namespace colony {
namespace {

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreePublicKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using DigestHandle = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string PublicKey::text() const {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<PublicKey> PublicKey::parse(std::string_view text) {
  PublicKey key;
  if (text.size() != 2 * key.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    const int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key.bytes[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return key;
}

bool PublicKey::verifies(std::string_view message, std::string_view signature) const {
  if (signature.size() != kSignatureBytes) return false;
  const std::unique_ptr<EVP_PKEY, FreePublicKey> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
  const DigestHandle context(EVP_MD_CTX_new());
  return key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
}

SigningKey::SigningKey(KeyHandle key) : key_(std::move(key)) {
  std::size_t size = public_key_.bytes.size();
  COLONY_ASSERT(key_ && EVP_PKEY_get_raw_public_key(key_.get(), public_key_.bytes.data(), &size) == 1 &&
                size == public_key_.bytes.size());
}

SigningKey SigningKey::generate() {
  KeyHandle key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key) throw Error("OpenSSL cannot make an Ed25519 key");
  return SigningKey(std::move(key));
}

SigningKey SigningKey::from_seed(std::string_view seed) {
  KeyHandle key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()));
  if (!key) throw Error("an Ed25519 key has 32 secret bytes");
  return SigningKey(std::move(key));
}

SigningKey SigningKey::from_file(const std::string& path) {
  std::string text = read_secret(path) + "\n";
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  // A passphrase is not asked for: a sidecar starts by itself.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  KeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  OPENSSL_cleanse(text.data(), text.size());
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    throw Error(path + " is not the private key of a node: make one with colony keygen");
  }
  return SigningKey(std::move(key));
}

std::string SigningKey::sign(std::string_view message) const {
  const DigestHandle context(EVP_MD_CTX_new());
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  const bool signed_it = context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
                         EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                        bytes_of(message), message.size()) == 1;
  COLONY_ASSERT(signed_it && size == kSignatureBytes);
  return signature;
}

std::string SigningKey::pem() const {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw Error("OpenSSL cannot write an Ed25519 key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace colony
