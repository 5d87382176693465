#include "tests/sim/forgery.h"

#include <algorithm>

#include "tests/sim/keys.h"

namespace colony::sim {
namespace {

// What would count if it were the member's own.
EntryBody next_of(const std::vector<Message>& messages, Entry& model, Random& random) {
  auto* const transactions = std::get_if<TransactionsEntry>(&model.body);
  std::uint64_t version = 0;
  ChunkNumber end;
  for (const Message& message : messages) {
    const std::optional<Entry> entry = decode(message.data, message.origin);
    if (!entry) continue;
    if (const auto* trust = std::get_if<TrustEntry>(&entry->body)) version = std::max(version, trust->version);
    const auto* sent = std::get_if<TransactionsEntry>(&entry->body);
    if (sent == nullptr || entry->origin != model.origin || entry->incarnation != model.incarnation) continue;
    end = std::max(end, ChunkNumber(sent->first.value() + sent->chunks.size() - 1));
  }
  if (transactions == nullptr || random.percent(25)) {
    TrustEntry taken_over = trust_of_all(version + 1);
    for (auto& [node, key] : taken_over.keys) key = key_of('z')->public_key();
    return taken_over;
  }
  transactions->first = end.next();
  return std::move(model.body);
}

}  // namespace

std::optional<Message> random_forgery(const std::vector<Message>& messages, Random& random) {
  if (messages.empty()) return std::nullopt;
  const Message& message = random.pick(messages);
  std::optional<Entry> model = decode(message.data, message.origin);
  if (!model) return std::nullopt;
  const Incarnation incarnation = model->incarnation;
  const char letter = model->origin.front();
  const EntryBody body = next_of(messages, *model, random);
  const Sequence seen(messages.size());
  const char other = letter == 'a' ? 'b' : 'a';
  const Seal strangers{*key_of('z'), kSimulatedLog, seen}, neighbours{*key_of(other), kSimulatedLog, seen},
      of_former_log{*key_of(letter), {kSimulatedLog.cluster, "epoch-0"}, seen},
      of_other_colony{*key_of(letter), {"other", kSimulatedLog.epoch}, seen};
  const Seal* const seals[] = {nullptr, &strangers, &neighbours, &of_former_log, &of_other_colony};
  const std::size_t which = random.below(6);
  Message forgery{Sequence(), message.origin, encode(message.origin, incarnation, body, seals[which % 5])};
  if (which == 5) {
    // Signed, but for something else: one of the bytes that the signature covers.
    const Seal own{*key_of(letter), kSimulatedLog, seen};
    const std::string signed_one = encode(message.origin, incarnation, BarrierEntry{1}, &own);
    forgery.data = encode(message.origin, incarnation, body, &strangers);
    const std::size_t at = forgery.data.size() - 8 - kSignatureBytes;
    forgery.data.replace(at, kSignatureBytes, signed_one, signed_one.size() - 8 - kSignatureBytes, kSignatureBytes);
    forgery.data.resize(forgery.data.size() - 8);
    const std::uint64_t checksum = message_hash(forgery.data);
    forgery.data.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  }
  return forgery;
}

}  // namespace colony::sim
