#include "tests/sim/keys.h"

#include <mutex>

namespace colony::sim {
namespace {

constexpr int kLivesMax = 60;

}  // namespace

std::shared_ptr<const SigningKey> key_of(char letter) {
  static std::mutex mutex;
  static std::map<char, std::shared_ptr<const SigningKey>> keys;
  const std::lock_guard lock(mutex);
  std::shared_ptr<const SigningKey>& key = keys[letter];
  if (!key) key = std::make_shared<const SigningKey>(SigningKey::from_seed(std::string(32, letter)));
  return key;
}

TrustEntry trust_of_all(std::uint64_t version, char left_out) {
  TrustEntry trust;
  trust.version = version;
  for (char letter = 'a'; letter <= 'f'; ++letter) {
    if (letter == left_out) continue;
    const PublicKey key = key_of(letter)->public_key();
    trust.keys[std::string(1, letter)] = key;
    for (int life = 1; life <= kLivesMax; ++life) trust.keys[letter + std::to_string(life)] = key;
  }
  return trust;
}

}  // namespace colony::sim
