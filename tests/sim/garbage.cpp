#include "tests/sim/garbage.h"

#include <algorithm>

#include "replicator/log/entry.h"

namespace colony::sim {
namespace {

std::string noise(Random& random) {
  std::string bytes = random.percent(50) ? "CLNY" : "";
  for (std::size_t size = random.below(60); size > 0; --size) bytes += static_cast<char>(random.below(256));
  return bytes;
}

std::string damaged(std::string bytes, Random& random) {
  if (bytes.empty()) return bytes;
  if (random.percent(50)) return bytes.substr(0, random.below(bytes.size()));
  const std::size_t at = random.below(bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
  return bytes;
}

// Where the chunks that the log has of an origin end.
ChunkNumber end_of(const std::vector<Message>& messages, const std::string& origin) {
  ChunkNumber end;
  for (const Message& message : messages) {
    if (message.origin != origin) continue;
    const std::optional<Entry> entry = decode(message.data, origin);
    if (!entry || !std::holds_alternative<TransactionsEntry>(entry->body)) continue;
    const auto& transactions = std::get<TransactionsEntry>(entry->body);
    end = std::max(end, ChunkNumber(transactions.first.value() + transactions.chunks.size() - 1));
  }
  return end;
}

// A whole entry, and the next in turn, but of a file that does not have the name.
std::string of_a_stranger(const std::vector<Message>& messages, const Message& message, Random& random) {
  std::optional<Entry> entry = decode(message.data, message.origin);
  if (!entry) return message.data;
  if (auto* const transactions = std::get_if<TransactionsEntry>(&entry->body)) {
    transactions->first = end_of(messages, message.origin).next();
  }
  return encode(entry->origin, Incarnation(9000 + random.below(3)), entry->body);
}

}  // namespace

std::optional<Message> random_garbage(const std::vector<Message>& messages, const std::vector<std::string>& names,
                                      Random& random) {
  if (messages.empty()) return std::nullopt;
  const Message& model = random.pick(messages);
  Message garbage{Sequence(), model.origin, model.data};
  switch (random.below(5)) {
    case 0:
      garbage.data = noise(random);
      break;
    case 1:
      garbage.data = damaged(model.data, random);
      break;
    case 2:
      garbage.origin = random.pick(names);
      break;
    case 3: {
      garbage.data = of_a_stranger(messages, model, random);
      break;
    }
    default:
      break;  // the same once more
  }
  return garbage;
}

}  // namespace colony::sim
