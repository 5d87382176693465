#include "replicator/log/verified_entries.h"

#include <algorithm>

namespace colony {
namespace {

constexpr std::size_t kLookedAtMax = 200;

}  // namespace

void VerifiedEntries::look_at(const std::vector<Message>& messages, const Trust& trust, const LogName& log) {
  if (messages.empty()) return findings_.clear();
  findings_.erase(findings_.begin(), findings_.lower_bound(messages.front().sequence));
  if (!trust.is_in_force()) return;
  for (std::size_t i = 0; i < std::min(messages.size(), kLookedAtMax); ++i) {
    const Message& message = messages[i];
    const auto key = trust.keys.find(message.origin);
    if (key == trust.keys.end() || is_genuine(message.sequence, key->second)) continue;
    const std::optional<Envelope> envelope = open_envelope(message.data, message.origin);
    if (envelope) findings_[message.sequence] = {key->second, trust.vouches_for(*envelope, log)};
  }
}

std::optional<bool> VerifiedEntries::is_genuine(Sequence message, const PublicKey& key) const {
  const auto finding = findings_.find(message);
  if (finding == findings_.end() || finding->second.key != key) return std::nullopt;
  return finding->second.genuine;
}

}  // namespace colony
