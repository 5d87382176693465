// Changesets of programs' transactions that wait to be queued in the outbox, in their order.
//
// Threads: one. Errors: SpillError, RecordError, SqliteError.
#pragma once

#include <cstdint>
#include <vector>

#include "replicator/store/sqlite.h"
#include "replicator/wal/transaction_sink.h"
#include "sqlite_ext/outbox_writer.h"
#include "sqlite_ext/spill.h"

namespace colony {

class CapturedTransactions : public TransactionSink {
 public:
  explicit CapturedTransactions(SpillSettings spill) : changesets_(std::move(spill)) {}

  bool empty() const { return transactions_.empty(); }
  std::size_t count() const { return transactions_.size(); }

  void take(const Transaction& transaction) override;

  void write(OutboxWriter& outbox);
  void clear();

 private:
  struct Changeset {
    std::size_t begin, size;  // in changesets_
    std::uint64_t shape;
  };
  Spill changesets_;
  std::vector<Changeset> transactions_;
};

}  // namespace colony
