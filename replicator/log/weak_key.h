// Public keys that prove nothing.
#pragma once

#include "replicator/log/signing.h"

namespace colony {

// Whether it is one of the few points under which anybody can make signatures; 64 zeros
// are one, and no key that was drawn ever is.
bool is_weak(const PublicKey& key);

}  // namespace colony
