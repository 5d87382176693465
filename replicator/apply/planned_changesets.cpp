#include "replicator/apply/planned_changesets.h"

namespace colony {

PlannedChangesets::PlannedChangesets(NodeFile& file, const PlannedMessage& message) {
  changesets_.reserve(message.transactions.size());
  for (const PlannedTransaction& transaction : message.transactions) {
    if (transaction.is_in_one_chunk()) {
      changesets_.emplace_back(transaction.end);
      continue;
    }
    Spill& whole =
        assembled_.emplace_back(transaction.begins_in_file ? file.parts(message.message->origin) : Spill(file.spill()));
    for (const std::string_view fragment : transaction.beginning) whole.append(fragment);
    whole.append(transaction.end);
    changesets_.emplace_back(whole);
  }
}

}  // namespace colony
