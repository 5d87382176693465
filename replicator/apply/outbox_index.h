// Takes what the app has committed into PendingTransactions, so that the applier
// knows what is pending without reading it again.
//
// A million transactions may wait when a sidecar starts. Reading them takes
// seconds, and must not keep the app from writing: the index is brought up to date
// slice by slice, each in a read transaction of the caller's or in none, and only
// what came after the last slice is taken in under the write lock.
//
// Threads: the applier's. Throws ChangesetError for an outbox that cannot be read, and
// SqliteError; what was read until then is forgotten.
#pragma once

#include <optional>

#include "replicator/apply/pending_transactions.h"
#include "replicator/store/node_file.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/spill.h"

namespace colony {

class OutboxIndex {
 public:
  // All must outlive it.
  OutboxIndex(NodeFile& file, const ReplicatedSchema& schema, PendingTransactions& pending);

  // Forgets all that is pending: the file or the schema is another one.
  void clear();

  // Whether the outbox still has what was read, as its last chunk tells: an earlier state
  // of the file may have been written into it, and gone on from there.
  bool is_current();

  // Reads on from where it was, by about that many bytes. True if it has come to
  // the end of the outbox.
  bool take(std::size_t bytes_max);

  // The last chunk that was read: at most the outbox's last one, unless an earlier
  // state of the file was written into it.
  ChunkNumber end() const { return end_; }

  // What of it does not fit the schema (WriteSet); empty if all of it does.
  const std::string& unfit() const { return unfit_; }

  // How many chunks were read since this object was made.
  std::uint64_t chunks_read() const { return chunks_read_; }

 private:
  bool read_on(std::size_t bytes_max);

  NodeFile& file_;
  const ReplicatedSchema& schema_;
  PendingTransactions& pending_;
  ChunkNumber end_;
  std::optional<ChunkNumber> first_;  // of a transaction that was read in part
  Spill changeset_;                   // of it
  std::uint64_t end_hash_ = 0;        // of what the chunk `end_` has
  std::uint64_t chunks_read_ = 0;
  std::string unfit_;
};

}  // namespace colony
