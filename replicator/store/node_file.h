// The node's own records in the app's file: who it is, how far it has come, what
// waits in the outbox, and what it knows of the other nodes.
//
// All of it is read and written inside the caller's transaction. One NodeFile
// belongs to one connection.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/log/names.h"
#include "replicator/log/trust.h"
#include "replicator/store/node_records.h"
#include "replicator/store/sqlite.h"
#include "sqlite_ext/changeset.h"
#include "sqlite_ext/spill.h"

namespace colony {

struct OutboxChunk {
  ChunkNumber chunk;
  bool last = false;
  std::uint64_t shape = 0;
  std::string changeset;
  bool flushed = false;  // its commit has brought it to disk, with all that came before
};

class NodeFile {
 public:
  // Throws Error if the file is not a colony's, or of a newer format.
  explicit NodeFile(Database& db);

  const Identity& identity() const { return identity_; }

  Sequence position();
  std::uint64_t position_hash();  // of the message at position()
  std::uint64_t log_bytes();      // of all messages up to position(), since the log began
  void set_position(Sequence position, std::uint64_t hash, std::uint64_t log_bytes);

  // The chain (chained_hash) of all messages up to position(). Nothing if a Colony that
  // did not know it has moved the position.
  std::optional<std::uint64_t> log_chain();
  void set_log_chain(std::optional<std::uint64_t> chain);  // of position()

  std::string epoch();  // empty before the first contact with a log
  void set_epoch(const std::string& epoch);
  // Those of the logs before the present one, from the oldest on: this log begins
  // with all that the file had absorbed of them.
  std::vector<std::string> former_epochs();
  void set_former_epochs(const std::vector<std::string>& epochs);

  Home home();
  void set_home(const Home& home);

  // Makes the file nobody's: what is left is what the log says, and which colony's. It keeps
  // its guards, and then the word for them; what wal mode knows is of one file alone.
  void forget_identity();
  // Makes it a node's again.
  void set_identity(const std::string& node, Incarnation incarnation, const Home& home);

  // The last of this node's chunks that have come back; the outbox begins after.
  ChunkNumber absorbed();
  void set_absorbed(ChunkNumber chunk);

  std::map<std::string, Origin> origins();
  void set_origin(const std::string& node, const Origin& origin);

  // Who has left the colony, for ever, by incarnation.
  std::map<Incarnation, Departure> departures();
  bool has_left(Incarnation incarnation);
  // Its name is free from here on, and its unfinished transaction is dropped.
  void add_departure(Incarnation incarnation, const Departure& departure);

  // Whether it has ever absorbed anybody's hello. Until then its rows are its own, and what
  // the others' are is not known.
  bool has_met_colony();

  // The last chunk of the transaction that all rows of the file became when it was to be
  // merged into a colony; 0 if it was not.
  ChunkNumber merged();
  void set_merged(ChunkNumber last);

  // Whom the colony trusts, as of position().
  Trust trust();
  void set_trust(const Trust& trust);

  // Chunks after `after`, in order, until they and what an entry adds to each come
  // to `bytes_max`: beyond it by less than a chunk.
  std::vector<OutboxChunk> outbox_after(ChunkNumber after, std::size_t bytes_max);
  std::optional<OutboxChunk> outbox_chunk(ChunkNumber chunk);
  ChunkNumber outbox_end();  // the last chunk there is, absorbed() if none
  // The whole changeset of the transaction in the chunks [first, last].
  Spill outbox_transaction(ChunkNumber first, ChunkNumber last);
  // The shape of the transaction that ends with this chunk.
  std::uint64_t outbox_shape(ChunkNumber last);
  // What a redo of that transaction really changed; nothing if that is the
  // changeset itself.
  std::optional<Spill> effect(ChunkNumber first, ChunkNumber last);
  void set_effect(ChunkNumber first, ChunkNumber last, ChangesetView effect);
  void clear_effect(ChunkNumber first, ChunkNumber last);
  void remove_outbox(ChunkNumber first, ChunkNumber last);
  // The log has taken this node's chunks up to there: what they have made of tables' columns
  // is known everywhere.
  void confirm_columns(ChunkNumber last);
  // From this chunk on, until the log has it.
  void set_unconfirmed(ChunkNumber first);
  bool is_unconfirmed() { return meta_integer("unconfirmed") != 0; }
  std::int64_t pending_transactions();
  // The first and the last chunk of each, in order.
  std::vector<std::pair<ChunkNumber, ChunkNumber>> pending_chunks();

  void add_fragment(const std::string& origin, ChunkNumber chunk, std::string_view changeset);
  void remove_fragments(const std::string& origin);
  bool has_fragments(const std::string& origin);
  // Those of the origin's unfinished transaction, put together.
  Spill parts(const std::string& origin);

  // Replaces what is a function of the log alone (the other nodes, who has left, their unfinished
  // transactions, the settled conflicts) by what `other` has of it.
  void copy_log_state(NodeFile& other);

  std::int64_t conflicts_max();

  // How often `colony repair` has changed rows, or the effects of pending transactions:
  // whoever keeps copies of them reads them anew when this moves.
  std::int64_t repairs();
  void count_repair();

  // See Database.
  const SpillSettings& spill() const { return db_.spill(); }

 private:
  bool knows(const std::string& table);
  std::int64_t meta_integer(std::string_view key);
  std::string meta_text(std::string_view key);
  void set_meta(std::string_view key, std::int64_t value);
  void set_meta(std::string_view key, std::string_view value);

  Database& db_;
  Statement get_meta_, set_meta_;
  Statement outbox_after_, outbox_end_, effect_, set_effect_, clear_effect_, remove_outbox_, pending_;
  Statement set_origin_, add_fragment_, remove_fragments_, has_fragments_, parts_;
  Identity identity_;
};

// An entry of the file's node, as of now, signed if there is a key.
std::string encode_signed(NodeFile& file, const SigningKey* key, const EntryBody& body);

}  // namespace colony
