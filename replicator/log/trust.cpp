#include "replicator/log/trust.h"

namespace colony {

bool Trust::vouches_for(const Envelope& envelope, const LogName& log) const {
  const auto key = keys.find(envelope.origin);
  return key != keys.end() && !envelope.signature.empty() &&
         key->second.verifies(signed_text(log, envelope.content), envelope.signature);
}

}  // namespace colony
