// NATS's own kind of key (nkeys): how a user without a password is known to a
// broker. Ed25519, written in base32 with a letter in front that says whose it is.
#pragma once

#include <string>
#include <string_view>

namespace colony {

struct UserNkey {
  std::string seed;        // SU...: a secret
  std::string public_key;  // U...: what stands in the broker's configuration
};

UserNkey make_user_nkey();

// The public key to the user's seed that stands somewhere in `text` (a file of nk's
// or nsc's has lines around it). Throws Error, without the text.
std::string public_nkey(std::string_view text);

}  // namespace colony
