// The proof: what the replicated tables are at a position of the log, as numbers
// that other nodes can compare with theirs.
//
// A table's hash is the sum, modulo 2^64, of the XXH3 hashes of its rows, each over
// the values of all replicated columns in their order, byte-exact. So equal rows
// give equal hashes whatever else is in the file, and pending transactions can be
// taken out by arithmetic: only the rows that they touch are looked at again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "replicator/log/entry.h"
#include "replicator/store/begin_read.h"
#include "replicator/store/sqlite.h"

namespace colony {

class ProofSnapshot {
 public:
  // Opens a connection of its own, and a read transaction: what compute() sees is
  // the file as of now. In wal mode it must be of a captured state. Hold it no longer than
  // needed, as the write-ahead log cannot be reset meanwhile.
  ProofSnapshot(const std::string& path, std::uint64_t id, Sequence position, const BeginRead& begin = {});

  // May be called by another thread than the one that made it. `on_progress` is called
  // now and then.
  ProofEntry compute(const std::function<void()>& on_progress = [] {});
  // The same of shares only. Tables that this file does not have in the asked shape are
  // left out: there is nothing to compare yet.
  ProofEntry compute(
      const std::vector<CheckRange>& ranges, const std::function<void()>& on_progress = [] {});

  // Any thread: makes compute() throw.
  void interrupt() { sqlite3_interrupt(db_.handle()); }

 private:
  ProofEntry answer() const;

  Database db_;
  std::uint64_t id_;
  Sequence position_;
};

}  // namespace colony
