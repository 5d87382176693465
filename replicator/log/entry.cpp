#include "replicator/log/entry.h"

#include <xxhash.h>
#include <zstd.h>

#include <bit>
#include <cstring>
#include <memory>

#include "replicator/log/error.h"

namespace colony {
namespace {

constexpr std::string_view kMagic = "CLNY";
constexpr std::uint8_t kUnsigned = 1;
constexpr std::uint8_t kSigned = 2;  // so that who cannot check it does not take it
constexpr std::uint8_t kCompressed = 1;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kCompressFrom = 256;        // smaller bodies do not repay it
constexpr std::size_t kChunkBytesMin = 13;        // an empty one
constexpr std::size_t kBodyBytesMax = 64u << 20;  // more than any broker lets through

enum class EntryKind : std::uint8_t {
  kTransactions = 1,
  kHello = 2,
  kBarrier = 3,
  kProof = 4,
  kLeave = 5,
  kTrust = 6,
  kSchema = 7
};
constexpr EntryKind kNewestKind = EntryKind::kSchema;

// All integers are little-endian.
template <class Integer>
void put(std::string& out, Integer value) {
  static_assert(std::endian::native == std::endian::little, "add byte swapping here for big-endian machines");
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

struct Damaged {};  // thrown by In, caught in decode()

class In {
 public:
  explicit In(std::string_view bytes) : rest_(bytes) {}

  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) throw Damaged();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  template <class Integer>
  Integer get() {
    Integer value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(bytes(get<std::uint16_t>())); }
  bool at_end() const { return rest_.empty(); }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

EntryKind kind_of(const EntryBody& body) {
  if (std::holds_alternative<QuestionEntry>(body)) return EntryKind::kProof;
  const auto* const transactions = std::get_if<TransactionsEntry>(&body);
  if (transactions != nullptr && transactions->changes_schema) return EntryKind::kSchema;
  return static_cast<EntryKind>(body.index() + 1);
}

// A question as the proof of position 0 that it is on the wire: three tables a share,
// named by the table, the lower and the upper bound.
constexpr std::size_t kTablesPerRange = 3;

ProofEntry as_proof(const QuestionEntry& question) {
  ProofEntry proof;
  proof.id = question.id;
  proof.foreign_key_violations = static_cast<std::uint64_t>(question.kind);
  for (const CheckRange& range : question.ranges) {
    proof.tables.push_back({range.table, range.shape, range.columns});
    proof.tables.push_back({range.low, 0, 0});
    proof.tables.push_back({range.high, 0, 0});
  }
  return proof;
}

// Nothing if it is a proof after all.
std::optional<QuestionEntry> as_question(const ProofEntry& proof) {
  if (proof.position != Sequence() || proof.tables.empty() || proof.tables.size() % kTablesPerRange != 0 ||
      proof.foreign_key_violations > static_cast<std::uint64_t>(CheckKind::kGoesOn)) {
    return std::nullopt;
  }
  QuestionEntry question{proof.id, static_cast<CheckKind>(proof.foreign_key_violations), {}};
  for (auto at = proof.tables.begin(); at != proof.tables.end(); at += kTablesPerRange) {
    const ProofEntry::Table &table = at[0], &low = at[1], &high = at[2];
    if ((low.hash | low.rows | high.hash | high.rows) != 0) return std::nullopt;
    question.ranges.push_back({table.name, table.hash, table.rows, low.name, high.name});
  }
  return question;
}

void put_proof(std::string& out, const ProofEntry& proof) {
  put(out, proof.id);
  put(out, proof.position.value());
  put(out, proof.foreign_key_violations);
  put(out, static_cast<std::uint32_t>(proof.tables.size()));
  for (const ProofEntry::Table& table : proof.tables) {
    put_text(out, table.name);
    put(out, table.hash);
    put(out, table.rows);
  }
}

std::string encode_body(const EntryBody& body) {
  std::string out;
  if (const auto* transactions = std::get_if<TransactionsEntry>(&body)) {
    put(out, transactions->first.value());
    put(out, static_cast<std::uint32_t>(transactions->chunks.size()));
    for (const Chunk& chunk : transactions->chunks) {
      put(out, static_cast<std::uint8_t>(chunk.last));
      put(out, chunk.shape);
      put(out, static_cast<std::uint32_t>(chunk.changeset.size()));
      out.append(chunk.changeset);
    }
  } else if (const auto* hello = std::get_if<HelloEntry>(&body)) {
    put_text(out, hello->host);
    put_text(out, hello->path);
    put_text(out, hello->version);
  } else if (const auto* barrier = std::get_if<BarrierEntry>(&body)) {
    put(out, barrier->id);
  } else if (const auto* proof = std::get_if<ProofEntry>(&body)) {
    put_proof(out, *proof);
  } else if (const auto* question = std::get_if<QuestionEntry>(&body)) {
    put_proof(out, as_proof(*question));
  } else if (const auto* leave = std::get_if<LeaveEntry>(&body)) {
    put_text(out, leave->node);
    put(out, leave->incarnation.value());
  } else if (const auto* trust = std::get_if<TrustEntry>(&body)) {
    put(out, trust->version);
    put(out, static_cast<std::uint32_t>(trust->keys.size()));
    for (const auto& [node, key] : trust->keys) {
      put_text(out, node);
      out.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
    }
  }
  return out;
}

TrustEntry decode_trust(In& in) {
  TrustEntry trust;
  trust.version = in.get<std::uint64_t>();
  const auto count = in.get<std::uint32_t>();
  if (count == 0) throw Damaged();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string node = in.text();
    const std::string_view bytes = in.bytes(kPublicKeyBytes);
    PublicKey key;
    std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
    if (!is_valid_name(node) || !trust.keys.emplace(node, key).second) throw Damaged();
  }
  return trust;
}

EntryBody decode_body(EntryKind kind, std::string_view bytes) {
  In in(bytes);
  EntryBody body;
  switch (kind) {
    case EntryKind::kTransactions:
    case EntryKind::kSchema: {
      TransactionsEntry transactions;
      transactions.changes_schema = kind == EntryKind::kSchema;
      transactions.first = ChunkNumber(in.get<std::uint64_t>());
      const auto count = in.get<std::uint32_t>();
      if (transactions.first.value() == 0 || count == 0 || count > in.left() / kChunkBytesMin) throw Damaged();
      while (transactions.chunks.size() < count) {
        Chunk chunk;
        chunk.last = in.get<std::uint8_t>() != 0;
        chunk.shape = in.get<std::uint64_t>();
        chunk.changeset = in.bytes(in.get<std::uint32_t>());
        transactions.chunks.push_back(chunk);
      }
      body = std::move(transactions);
      break;
    }
    case EntryKind::kHello: {
      HelloEntry hello;
      hello.host = in.text();
      hello.path = in.text();
      hello.version = in.text();
      body = std::move(hello);
      break;
    }
    case EntryKind::kBarrier:
      body = BarrierEntry{in.get<std::uint64_t>()};
      break;
    case EntryKind::kProof: {
      ProofEntry proof;
      proof.id = in.get<std::uint64_t>();
      proof.position = Sequence(in.get<std::uint64_t>());
      proof.foreign_key_violations = in.get<std::uint64_t>();
      const auto count = in.get<std::uint32_t>();
      while (proof.tables.size() < count) {
        ProofEntry::Table table;
        table.name = in.text();
        table.hash = in.get<std::uint64_t>();
        table.rows = in.get<std::uint64_t>();
        proof.tables.push_back(std::move(table));
      }
      if (std::optional<QuestionEntry> question = as_question(proof)) {
        body = std::move(*question);
      } else {
        body = std::move(proof);
      }
      break;
    }
    case EntryKind::kLeave: {
      LeaveEntry leave;
      leave.node = in.text();
      leave.incarnation = Incarnation(in.get<std::uint64_t>());
      body = std::move(leave);
      break;
    }
    case EntryKind::kTrust:
      body = decode_trust(in);
      break;
  }
  if (!in.at_end()) throw Damaged();
  return body;
}

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// Empty if it would not be smaller.
std::string compressed(std::string_view bytes) {
  static thread_local const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size(), 1);
  if (ZSTD_isError(size) || size >= bytes.size()) return {};
  out.resize(size);
  return out;
}

std::string decompressed(std::string_view bytes, std::size_t size) {
  // Below kCompressFrom nobody compresses; and views into `out` must survive its
  // being moved, which a short string's do not.
  if (size < kCompressFrom || size > kBodyBytesMax) throw Damaged();
  std::string out(size, '\0');
  if (ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size()) != size) throw Damaged();
  return out;
}

}  // namespace

std::string encode(const std::string& origin, Incarnation incarnation, const EntryBody& body, const Seal* seal) {
  const std::string raw = encode_body(body);
  const std::string packed = raw.size() >= kCompressFrom ? compressed(raw) : std::string();
  std::string out(kMagic);
  put(out, seal != nullptr ? kSigned : kUnsigned);
  put(out, static_cast<std::uint8_t>(kind_of(body)));
  put(out, static_cast<std::uint8_t>(packed.empty() ? 0 : kCompressed));
  put(out, static_cast<std::uint8_t>(origin.size()));
  out.append(origin);
  put(out, incarnation.value());
  if (seal != nullptr) put(out, seal->seen.value());
  put(out, static_cast<std::uint32_t>(raw.size()));
  out.append(packed.empty() ? raw : packed);
  if (seal != nullptr) out.append(seal->key.sign(signed_text(seal->log, out)));
  put(out, message_hash(out));
  return out;
}

std::optional<Envelope> open_envelope(std::string_view message, const std::string& subject_origin) {
  if (!message.starts_with(kMagic) || message.size() < kMagic.size() + kChecksumBytes) return std::nullopt;
  const std::string_view checked = message.substr(0, message.size() - kChecksumBytes);
  std::uint64_t checksum;
  std::memcpy(&checksum, message.data() + checked.size(), sizeof checksum);
  if (checksum != message_hash(checked)) return std::nullopt;
  try {
    Envelope envelope;
    In in(checked.substr(kMagic.size()));
    envelope.version = in.get<std::uint8_t>();
    envelope.kind = in.get<std::uint8_t>();
    in.get<std::uint8_t>();  // the flags
    envelope.origin = std::string(in.bytes(in.get<std::uint8_t>()));
    if (envelope.origin != subject_origin || envelope.kind == 0) return std::nullopt;
    envelope.content = checked;
    if (envelope.version < kSigned) return envelope;
    constexpr std::size_t kIncarnationAndSeen = 16;
    if (in.left() < kIncarnationAndSeen + kSignatureBytes) {
      // Whatever a newer version is, it is not signed.
      return envelope.version == kSigned ? std::nullopt : std::optional(envelope);
    }
    in.get<std::uint64_t>();  // the incarnation
    envelope.seen = Sequence(in.get<std::uint64_t>());
    envelope.content = checked.substr(0, checked.size() - kSignatureBytes);
    envelope.signature = checked.substr(envelope.content.size());
    return envelope;
  } catch (const Damaged&) {
    return std::nullopt;
  }
}

bool is_schema_entry(std::string_view message, const std::string& subject_origin) {
  const std::optional<Envelope> envelope = open_envelope(message, subject_origin);
  return envelope && envelope->kind == static_cast<int>(EntryKind::kSchema);
}

std::string signed_text(const LogName& log, std::string_view content) {
  std::string text = "colony entry";
  put_text(text, log.cluster);
  put_text(text, log.epoch);
  text += content;
  return text;
}

std::optional<Entry> decode(std::string_view message, const std::string& subject_origin) {
  const std::optional<Envelope> envelope = open_envelope(message, subject_origin);
  if (!envelope) return std::nullopt;
  if (envelope->version > kSigned || envelope->kind > static_cast<int>(kNewestKind)) {
    throw Halt("an entry of node " + subject_origin + " is of a newer format (version " +
               std::to_string(envelope->version) + ", kind " + std::to_string(envelope->kind) +
               "): upgrade Colony on this node");
  }
  try {
    In in(envelope->content.substr(kMagic.size() + 2));  // after version and kind
    const auto flags = in.get<std::uint8_t>();
    Entry entry;
    entry.origin = std::string(in.bytes(in.get<std::uint8_t>()));
    entry.incarnation = Incarnation(in.get<std::uint64_t>());
    if (envelope->version == kSigned) in.get<std::uint64_t>();  // what it had seen
    const auto size = in.get<std::uint32_t>();
    std::string_view body = in.bytes(in.left());
    if ((flags & kCompressed) != 0) {
      entry.storage = decompressed(body, size);
      body = entry.storage;
    } else if (body.size() != size) {
      return std::nullopt;
    }
    entry.body = decode_body(static_cast<EntryKind>(envelope->kind), body);
    return entry;
  } catch (const Damaged&) {
    return std::nullopt;
  }
}

std::uint64_t message_hash(std::string_view message) { return XXH3_64bits(message.data(), message.size()); }

std::uint64_t chained_hash(std::uint64_t chain, std::uint64_t message_hash) {
  const std::uint64_t both[] = {chain, message_hash};
  return XXH3_64bits(both, sizeof both);
}

}  // namespace colony
