// What a message of the log says, and its bytes. docs/formats.md has the layout.
//
// Every node reads the same bytes, so every node comes to the same verdict:
//  - what does not begin and end as an entry does (wrong magic, checksum, length)
//    or names another origin than its subject is not an entry of this colony, and
//    is ignored by all. Nothing is lost by that: if it was one and was
//    damaged, its origin sees that it was ignored and sends it again.
//  - an intact entry of a newer version stops the node: Halt, upgrade. Who wrote it is
//    asked before (Trust): a stranger can stop nobody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "replicator/log/names.h"
#include "replicator/log/signing.h"

namespace colony {

// An entry of one outbox chunk, the most that cannot be cut, fits into this.
inline constexpr std::size_t kEntryBytesMin = 61'000;

// A slice of an origin's outbox. A transaction is the chunks up to and including
// the next one that is `last`.
struct Chunk {
  bool last = false;
  std::uint64_t shape = 0;     // of the tables in the changeset
  std::string_view changeset;  // or, of a transaction in several chunks, a slice of it
};

struct TransactionsEntry {
  ChunkNumber first;  // the number of chunks.front(); the others follow
  std::vector<Chunk> chunks;
  // A transaction begins here that changes the schema, or names its columns
  // (sqlite_ext/changeset.h): on the wire a kind of its own, before which a node halts that
  // would not understand it.
  bool changes_schema = false;
};

// A node says who it is, once, before its first transaction. Names go to who
// comes first.
struct HelloEntry {
  std::string host, path, version;
};

// Every live node is to say what its tables are at this point of the log.
struct BarrierEntry {
  std::uint64_t id = 0;  // random: whose question it is
};

// The answer to one.
struct ProofEntry {
  struct Table {
    std::string name;
    std::uint64_t hash = 0;
    std::uint64_t rows = 0;
  };
  std::uint64_t id = 0;
  Sequence position;  // of the barrier
  std::uint64_t foreign_key_violations = 0;
  std::vector<Table> tables;
};

// A share of the rows of a table: those whose key comes after `low` and not after
// `high`, as the table's key orders them.
struct CheckRange {
  std::string table;
  std::uint64_t shape = 0;    // of its first `columns` columns, which are compared
  std::uint64_t columns = 0;  // as many as the asker has
  std::string low, high;      // the key's values in the changeset's encoding; empty: no bound

  bool operator==(const CheckRange&) const = default;
  bool is_whole() const { return low.empty() && high.empty(); }
};

// What a question is to the ignore all tables that the colony makes share by share.
enum class CheckKind : std::uint8_t {
  kApart = 0,  // nothing: a share is looked at again
  kBegins = 1,
  kGoesOn = 2,
};

// Every live node that knows the question is to say with a ProofEntry what it has of
// these shares at this point of the log. On the wire it is a proof of position 0, which
// answers nothing: who does not know it passes on in silence.
struct QuestionEntry {
  std::uint64_t id = 0;  // random
  CheckKind kind = CheckKind::kApart;
  std::vector<CheckRange> ranges;  // at least one; each of another table
};

// A node leaves the colony for good: the origin itself, or a dead one that the
// origin removes. Only that life of it: the name is free for another one.
struct LeaveEntry {
  std::string node;
  Incarnation incarnation;
};

// Whom the colony trusts from here on: all of them, not what has changed.
struct TrustEntry {
  std::uint64_t version = 0;              // one more than the one before it
  std::map<std::string, PublicKey> keys;  // by node; not empty
};

// In the order of the kinds on the wire; what has no kind of its own stands last.
using EntryBody =
    std::variant<TransactionsEntry, HelloEntry, BarrierEntry, ProofEntry, LeaveEntry, TrustEntry, QuestionEntry>;

// Which log an entry is for: a signature counts in no other.
struct LogName {
  std::string cluster;
  std::string epoch;
};

// What it takes to sign an entry.
struct Seal {
  const SigningKey& key;
  LogName log;
  Sequence seen;  // how far the origin had absorbed the log when it wrote the entry
};

// The outside of an intact entry, which stays as it is in all later versions.
struct Envelope {
  std::string origin;
  int version = 0;
  int kind = 0;
  Sequence seen;               // see Seal; 0 if it is not signed
  std::string_view content;    // all that a signature covers
  std::string_view signature;  // empty if it is not signed
};

struct Entry {
  std::string origin;
  Incarnation incarnation;
  EntryBody body;
  std::string storage;  // what the views in `body` point into, when that was compressed

  Entry() = default;
  Entry(Entry&&) = default;
  Entry& operator=(Entry&&) = default;
};

// Signed if there is a seal.
std::string encode(const std::string& origin, Incarnation incarnation, const EntryBody& body,
                   const Seal* seal = nullptr);

// Nothing if `message` is not an entry of `subject_origin`. Views point into it.
std::optional<Envelope> open_envelope(std::string_view message, const std::string& subject_origin);

// Whether it is one of transactions that change the schema, as far as the envelope tells.
bool is_schema_entry(std::string_view message, const std::string& subject_origin);

// What a signature is made of: these bytes, and which log they are for.
std::string signed_text(const LogName& log, std::string_view content);

// Nothing if `message` is not an entry of `subject_origin`. Views point into
// `message`. Throws Halt if it is one that this version cannot read.
std::optional<Entry> decode(std::string_view message, const std::string& subject_origin);

// What a node remembers of the message at its position.
std::uint64_t message_hash(std::string_view message);

// The chain of a log's messages: 0 before the first, and then of the chain so far and
// the next message's hash.
std::uint64_t chained_hash(std::uint64_t chain, std::uint64_t message_hash);

}  // namespace colony
