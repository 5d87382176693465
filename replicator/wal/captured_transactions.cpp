#include "replicator/wal/captured_transactions.h"

namespace colony {

void CapturedTransactions::take(const Transaction& transaction) {
  const NetRows& rows = transaction.rows;
  if (rows.tables().empty()) return;
  std::uint64_t shape = 0;
  for (const std::uint32_t tree : rows.tables()) {
    shape = combine_shapes(shape, transaction.tables.table(static_cast<TreeNumber>(tree)).shape);
  }
  const std::size_t begin = changesets_.size();
  rows.write([&](std::string& bytes) {
    changesets_.append(bytes);
    bytes.clear();
  });
  transactions_.push_back({begin, changesets_.size() - begin, shape});
}

void CapturedTransactions::write(OutboxWriter& outbox) {
  const std::string_view all = changesets_.view();
  for (const Changeset& transaction : transactions_) {
    outbox.write(all.substr(transaction.begin, transaction.size), transaction.shape);
    outbox.clear();
    changesets_.passed(transaction.begin + transaction.size);
  }
}

void CapturedTransactions::clear() {
  changesets_.clear();
  transactions_.clear();
}

}  // namespace colony
