#include "replicator/store/node_file.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

template <class Tag>
std::int64_t stored(Number<Tag> number) {
  return static_cast<std::int64_t>(number.value());
}

std::uint64_t loaded(std::int64_t value) { return static_cast<std::uint64_t>(value); }

Database& checked(Database& db) {
  if (!has_layout(db)) throw Error(db.path() + " does not belong to a colony: run colony init first");
  return db;
}

constexpr std::int64_t kConflictsMaxDefault = 10'000;
constexpr std::size_t kEntryBytesPerChunk = 16;
constexpr std::size_t kEffectSliceBytesMin = 60'000;

}  // namespace

NodeFile::NodeFile(Database& db)
    : db_(checked(db)),
      get_meta_(db, "SELECT value FROM __colony_meta WHERE key = ?1"),
      set_meta_(db, "INSERT INTO __colony_meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2"),
      outbox_after_(db, "SELECT piece, last, shape, changeset FROM __colony_outbox WHERE piece > ?1 ORDER BY piece"),
      outbox_end_(db, "SELECT max(piece) FROM __colony_outbox"),
      effect_(db,
              "SELECT effect FROM __colony_outbox WHERE piece BETWEEN ?1 AND ?2 AND effect IS NOT NULL ORDER BY piece"),
      set_effect_(db, "UPDATE __colony_outbox SET effect = ?2 WHERE piece = ?1"),
      clear_effect_(db,
                    "UPDATE __colony_outbox SET effect = NULL WHERE piece BETWEEN ?1 AND ?2 AND effect IS NOT NULL"),
      remove_outbox_(db, "DELETE FROM __colony_outbox WHERE piece BETWEEN ?1 AND ?2"),
      pending_(db, "SELECT count(*) FROM __colony_outbox WHERE last"),
      set_origin_(db,
                  "INSERT INTO __colony_origins(node, incarnation, piece, sequence, host, path, version) "
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(node) DO UPDATE SET incarnation = ?2, piece = ?3, "
                  "sequence = ?4, host = ?5, path = ?6, version = ?7"),
      add_fragment_(db, "INSERT OR REPLACE INTO __colony_parts(origin, piece, changeset) VALUES(?1, ?2, ?3)"),
      remove_fragments_(db, "DELETE FROM __colony_parts WHERE origin = ?1"),
      has_fragments_(db, "SELECT 1 FROM __colony_parts WHERE origin = ?1 LIMIT 1"),
      parts_(db, "SELECT changeset FROM __colony_parts WHERE origin = ?1 ORDER BY piece") {
  const std::int64_t format = meta_integer("format");
  if (format > kFileFormat) {
    throw Error(db.path() + " was written by a newer Colony (file format " + std::to_string(format) +
                ", this one knows " + std::to_string(kFileFormat) + "): upgrade this one");
  }
  identity_ = {meta_text("cluster"), meta_text("node"), Incarnation(loaded(meta_integer("incarnation")))};
}

std::int64_t NodeFile::meta_integer(std::string_view key) {
  get_meta_.bind(1, key);
  const std::int64_t value = get_meta_.step() ? get_meta_.integer(0) : 0;
  get_meta_.reset();
  return value;
}

std::string NodeFile::meta_text(std::string_view key) {
  get_meta_.bind(1, key);
  const std::string value = get_meta_.step() ? std::string(get_meta_.text(0)) : std::string();
  get_meta_.reset();
  return value;
}

void NodeFile::set_meta(std::string_view key, std::int64_t value) { set_meta_.bind(1, key).bind(2, value).run(); }
void NodeFile::set_meta(std::string_view key, std::string_view value) { set_meta_.bind(1, key).bind(2, value).run(); }

Sequence NodeFile::position() { return Sequence(loaded(meta_integer("position"))); }
std::uint64_t NodeFile::position_hash() { return loaded(meta_integer("position_hash")); }

std::uint64_t NodeFile::log_bytes() { return loaded(meta_integer("log_bytes")); }

void NodeFile::set_position(Sequence position, std::uint64_t hash, std::uint64_t log_bytes) {
  set_meta("position", stored(position));
  set_meta("position_hash", static_cast<std::int64_t>(hash));
  set_meta("log_bytes", static_cast<std::int64_t>(log_bytes));
}

std::optional<std::uint64_t> NodeFile::log_chain() {
  if (position() == Sequence()) return 0;
  if (meta_integer("log_chain_position") != stored(position())) return std::nullopt;
  return static_cast<std::uint64_t>(meta_integer("log_chain"));
}

void NodeFile::set_log_chain(std::optional<std::uint64_t> chain) {
  if (!chain) return;
  set_meta("log_chain", static_cast<std::int64_t>(*chain));
  set_meta("log_chain_position", stored(position()));
}

std::string NodeFile::epoch() { return meta_text("epoch"); }
void NodeFile::set_epoch(const std::string& epoch) { set_meta("epoch", epoch); }

std::vector<std::string> NodeFile::former_epochs() {
  std::istringstream words(meta_text("former_epochs"));
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

void NodeFile::set_former_epochs(const std::vector<std::string>& epochs) {
  std::string text;
  for (const std::string& epoch : epochs) text += (text.empty() ? "" : " ") + epoch;
  set_meta("former_epochs", text);
}

Home NodeFile::home() { return {meta_text("home_host"), meta_text("home_path")}; }

void NodeFile::set_home(const Home& home) {
  set_meta("home_host", home.host);
  set_meta("home_path", home.path);
}

void NodeFile::forget_identity() {
  db_.execute(
      "DELETE FROM __colony_meta WHERE key IN ('node', 'incarnation', 'home_host', 'home_path', 'absorbed', "
      "'merged', 'wal_mark') OR (key = 'capture' AND value = 'wal')");
  if (knows("__colony_unchecked")) db_.execute("DELETE FROM __colony_unchecked");
  identity_.node.clear();
  identity_.incarnation = Incarnation();
}

void NodeFile::set_identity(const std::string& node, Incarnation incarnation, const Home& home) {
  set_meta("node", node);
  set_meta("incarnation", stored(incarnation));
  set_home(home);
  set_absorbed(ChunkNumber());
  identity_.node = node;
  identity_.incarnation = incarnation;
}

ChunkNumber NodeFile::absorbed() { return ChunkNumber(loaded(meta_integer("absorbed"))); }
void NodeFile::set_absorbed(ChunkNumber chunk) { set_meta("absorbed", stored(chunk)); }

std::map<std::string, Origin> NodeFile::origins() {
  std::map<std::string, Origin> origins;
  Statement select(db_, "SELECT node, incarnation, piece, sequence, host, path, version FROM __colony_origins");
  while (select.step()) {
    origins[std::string(select.text(0))] = {Incarnation(loaded(select.integer(1))),
                                            ChunkNumber(loaded(select.integer(2))),
                                            Sequence(loaded(select.integer(3))),
                                            std::string(select.text(4)),
                                            std::string(select.text(5)),
                                            std::string(select.text(6))};
  }
  return origins;
}

void NodeFile::set_origin(const std::string& node, const Origin& origin) {
  set_origin_.bind(1, node).bind(2, stored(origin.incarnation)).bind(3, stored(origin.chunk));
  set_origin_.bind(4, stored(origin.sequence)).bind(5, origin.host).bind(6, origin.path).bind(7, origin.version).run();
}

// A file of an older format does not have all tables.
bool NodeFile::knows(const std::string& table) {
  Statement select(db_, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1");
  return select.bind(1, table).step();
}

std::map<Incarnation, Departure> NodeFile::departures() {
  std::map<Incarnation, Departure> departures;
  if (!knows("__colony_left")) return departures;
  Statement select(db_,
                   "SELECT incarnation, node, piece, sequence, removed_by, host, path, version FROM __colony_left");
  while (select.step()) {
    departures[Incarnation(loaded(select.integer(0)))] = {
        std::string(select.text(1)),         ChunkNumber(loaded(select.integer(2))),
        Sequence(loaded(select.integer(3))), std::string(select.text(4)),
        std::string(select.text(5)),         std::string(select.text(6)),
        std::string(select.text(7))};
  }
  return departures;
}

bool NodeFile::has_met_colony() { return !origins().empty() || !departures().empty(); }

ChunkNumber NodeFile::merged() { return ChunkNumber(loaded(meta_integer("merged"))); }
void NodeFile::set_merged(ChunkNumber last) { set_meta("merged", stored(last)); }

bool NodeFile::has_left(Incarnation incarnation) { return departures().contains(incarnation); }

void NodeFile::add_departure(Incarnation incarnation, const Departure& departure) {
  Statement insert(db_,
                   "INSERT INTO __colony_left(incarnation, node, piece, sequence, removed_by, host, path, version) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  insert.bind(1, stored(incarnation)).bind(2, departure.node).bind(3, stored(departure.chunk));
  insert.bind(4, stored(departure.sequence)).bind(5, departure.removed_by).bind(6, departure.host);
  insert.bind(7, departure.path).bind(8, departure.version).run();
  Statement(db_, "DELETE FROM __colony_origins WHERE node = ?1").bind(1, departure.node).run();
  remove_fragments(departure.node);
}

Trust NodeFile::trust() {
  Trust trust;
  trust.version = loaded(meta_integer("trust_version"));
  if (!trust.is_in_force()) return trust;
  Statement select(db_, "SELECT node, key FROM __colony_trust");
  while (select.step()) {
    const std::optional<PublicKey> key = PublicKey::parse(select.text(1));
    if (!key) throw Error(db_.path() + " has a key in __colony_trust that is none: put back a copy of it");
    trust.keys[std::string(select.text(0))] = *key;
  }
  return trust;
}

void NodeFile::set_trust(const Trust& trust) {
  set_meta("trust_version", static_cast<std::int64_t>(trust.version));
  db_.execute("DELETE FROM __colony_trust");
  Statement insert(db_, "INSERT INTO __colony_trust(node, key) VALUES(?1, ?2)");
  for (const auto& [node, key] : trust.keys) insert.bind(1, node).bind(2, key.text()).run();
}

std::vector<OutboxChunk> NodeFile::outbox_after(ChunkNumber after, std::size_t bytes_max) {
  std::vector<OutboxChunk> chunks;
  std::size_t bytes = 0;
  outbox_after_.bind(1, stored(after));
  while (bytes < bytes_max && outbox_after_.step()) {
    chunks.push_back({ChunkNumber(loaded(outbox_after_.integer(0))), outbox_after_.integer(1) != 0,
                      loaded(outbox_after_.integer(2)), std::string(outbox_after_.blob(3)),
                      outbox_after_.integer(1) == kLastChunkFlushed});
    bytes += chunks.back().changeset.size() + kEntryBytesPerChunk;
  }
  outbox_after_.reset();
  return chunks;
}

std::optional<OutboxChunk> NodeFile::outbox_chunk(ChunkNumber chunk) {
  if (chunk.value() == 0) return std::nullopt;
  std::vector<OutboxChunk> chunks = outbox_after(ChunkNumber(chunk.value() - 1), 1);
  if (chunks.empty() || chunks.front().chunk != chunk) return std::nullopt;
  return std::move(chunks.front());
}

std::uint64_t NodeFile::outbox_shape(ChunkNumber last) {
  Statement select(db_, "SELECT shape FROM __colony_outbox WHERE piece = ?1");
  return select.bind(1, static_cast<std::int64_t>(last.value())).step() ? static_cast<std::uint64_t>(select.integer(0))
                                                                        : 0;
}

ChunkNumber NodeFile::outbox_end() {
  const bool any = outbox_end_.step() && !outbox_end_.is_null(0);
  const ChunkNumber end(any ? loaded(outbox_end_.integer(0)) : 0);
  outbox_end_.reset();
  return any ? end : absorbed();
}

Spill NodeFile::outbox_transaction(ChunkNumber first, ChunkNumber last) {
  Spill changeset(db_.spill());
  const ResetAtEnd reset(outbox_after_);
  outbox_after_.bind(1, static_cast<std::int64_t>(first.value() - 1));
  while (outbox_after_.step() && ChunkNumber(loaded(outbox_after_.integer(0))) <= last) {
    changeset.append(outbox_after_.blob(3));
  }
  return changeset;
}

std::optional<Spill> NodeFile::effect(ChunkNumber first, ChunkNumber last) {
  std::optional<Spill> effect;
  const ResetAtEnd reset(effect_);
  effect_.bind(1, stored(first)).bind(2, stored(last));
  while (effect_.step()) {
    if (!effect) effect.emplace(db_.spill());
    effect->append(effect_.blob(0));
  }
  return effect;
}

// In slices over the transaction's chunks: what one row can hold is limited, and
// SQLite holds a row in memory when it writes it.
void NodeFile::set_effect(ChunkNumber first, ChunkNumber last, ChangesetView effect) {
  const std::size_t chunks = last.value() - first.value() + 1;
  const std::size_t slice = std::max(kEffectSliceBytesMin, (effect.bytes.size() + chunks - 1) / chunks);
  clear_effect(first, last);
  std::size_t at = 0;
  for (ChunkNumber chunk = first; at == 0 || at < effect.bytes.size(); chunk = chunk.next(), at += slice) {
    set_effect_.bind(1, stored(chunk)).bind_blob(2, effect.bytes.substr(at, slice)).run();
    if (effect.spill != nullptr) effect.spill->passed(at);
  }
}

void NodeFile::clear_effect(ChunkNumber first, ChunkNumber last) {
  clear_effect_.bind(1, stored(first)).bind(2, stored(last)).run();
}

void NodeFile::remove_outbox(ChunkNumber first, ChunkNumber last) {
  remove_outbox_.bind(1, stored(first)).bind(2, stored(last)).run();
}

void NodeFile::set_unconfirmed(ChunkNumber first) { set_meta("unconfirmed", static_cast<std::int64_t>(first.value())); }

void NodeFile::confirm_columns(ChunkNumber last) {
  Statement(db_, "UPDATE __colony_meta SET value = 0 WHERE key = 'unconfirmed' AND value BETWEEN 1 AND ?1")
      .bind(1, static_cast<std::int64_t>(last.value()))
      .run();
}

std::int64_t NodeFile::pending_transactions() {
  const std::int64_t count = pending_.step() ? pending_.integer(0) : 0;
  pending_.reset();
  return count;
}

std::vector<std::pair<ChunkNumber, ChunkNumber>> NodeFile::pending_chunks() {
  std::vector<std::pair<ChunkNumber, ChunkNumber>> transactions;
  std::optional<ChunkNumber> first;
  Statement chunks(db_, "SELECT piece, last FROM __colony_outbox ORDER BY piece");
  while (chunks.step()) {
    const ChunkNumber chunk(loaded(chunks.integer(0)));
    if (!first) first = chunk;
    if (chunks.integer(1) == 0) continue;
    transactions.emplace_back(*first, chunk);
    first.reset();
  }
  return transactions;
}

void NodeFile::add_fragment(const std::string& origin, ChunkNumber chunk, std::string_view changeset) {
  add_fragment_.bind(1, origin).bind(2, stored(chunk)).bind_blob(3, changeset).run();
}

void NodeFile::remove_fragments(const std::string& origin) { remove_fragments_.bind(1, origin).run(); }

bool NodeFile::has_fragments(const std::string& origin) {
  const bool any = has_fragments_.bind(1, origin).step();
  has_fragments_.reset();
  return any;
}

Spill NodeFile::parts(const std::string& origin) {
  Spill parts(db_.spill());
  const ResetAtEnd reset(parts_);
  parts_.bind(1, origin);
  while (parts_.step()) parts.append(parts_.blob(0));
  return parts;
}

void NodeFile::copy_log_state(NodeFile& other) {
  set_trust(other.trust());
  db_.execute("DELETE FROM __colony_left; DELETE FROM __colony_conflicts WHERE sequence > 0");
  std::vector<std::string> tables = {"__colony_origins", "__colony_parts", "__colony_conflicts"};
  for (const char* younger : {"__colony_left", "__colony_checks", "__colony_answers"}) {
    if (other.knows(younger) && knows(younger)) tables.emplace_back(younger);
  }
  for (const std::string& table : tables) {
    if (table != "__colony_conflicts") db_.execute("DELETE FROM " + table);
    Statement from(other.db_, "SELECT * FROM " + table);
    std::string names, parameters;
    for (int i = 0; i < from.columns(); ++i) {
      names += (i > 0 ? "," : "") + quoted(sqlite3_column_name(from.handle(), i));
      parameters += i > 0 ? ",?" : "?";
    }
    Statement to(db_, "INSERT INTO " + table + "(" + names + ") VALUES(" + parameters + ")");
    while (from.step()) {
      for (int i = 0; i < from.columns(); ++i) to.bind(i + 1, from.value(i));
      to.run();
    }
  }
}

std::int64_t NodeFile::conflicts_max() {
  const std::int64_t rows = meta_integer("conflicts_max");
  return rows > 0 ? rows : kConflictsMaxDefault;
}

std::int64_t NodeFile::repairs() { return meta_integer("repairs"); }
void NodeFile::count_repair() { set_meta("repairs", repairs() + 1); }

std::string encode_signed(NodeFile& file, const SigningKey* key, const EntryBody& body) {
  const Identity& self = file.identity();
  if (key == nullptr) return encode(self.node, self.incarnation, body);
  const Seal seal{*key, {self.cluster, file.epoch()}, file.position()};
  return encode(self.node, self.incarnation, body, &seal);
}

}  // namespace colony
