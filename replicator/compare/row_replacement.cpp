#include "replicator/compare/row_replacement.h"

#include <optional>

namespace colony {

struct RowReplacement::Table {
  Table(StatementCache& mine, const ReplicatedTable& my_table, StatementCache& theirs,
        const ReplicatedTable& their_table)
      : pair(mine, my_table, theirs, their_table) {}

  TablePair pair;  // by the columns of the other file: some may have been added here since
  std::unordered_set<std::string> noted;
};

RowReplacement::RowReplacement(Database& db, const ReplicatedSchema& schema, Database& other)
    : db_(db), mine_(db), theirs_(other) {
  other_schema_.load(other);
  for (const auto& [name, theirs] : other_schema_.tables()) {
    const ReplicatedTable* const mine = schema.find(name);
    if (mine == nullptr) throw SchemaMismatch("has table " + name + ", which this file does not replicate");
    tables_.emplace(name, std::make_unique<Table>(mine_, *mine, theirs_, theirs));
  }
}

RowReplacement::~RowReplacement() = default;

void RowReplacement::compare(const std::function<void()>& go_on) {
  std::optional<ReadTransaction> reading;
  if (!db_.in_transaction()) reading.emplace(db_);
  for (const auto& [name, table] : tables_) {
    table->pair.compare([&noted = table->noted](std::string_view key) { noted.emplace(key); }, go_on);
  }
}

void RowReplacement::note(ChangesetView changeset) {
  ChangesetReader reader(changeset);
  Change change;
  while (reader.next(change)) {
    const auto table = tables_.find(reader.table().name);
    if (table == tables_.end()) continue;  // the other file does not replicate it
    const TablePair& pair = table->second->pair;
    std::vector<Value> key(pair.table().columns.size());
    for (std::size_t i = 0; i < reader.table().columns() && i < key.size(); ++i) {
      if (pair.table().key[i] != 0) key[i] = change.key_value(i);
    }
    table->second->noted.insert(pair.key_of(key));
  }
}

// All that differs is taken out before anything is put in: so no unique value is in
// the way.
std::uint64_t RowReplacement::apply() {
  std::uint64_t replaced = 0;
  for (const auto& [name, table] : tables_) {
    TablePair& pair = table->pair;
    for (auto noted = table->noted.begin(); noted != table->noted.end();) {
      pair.look_up(*noted);
      if (pair.differs() && pair.is_mine()) {
        pair.erase_mine();
        ++replaced;
      }
      noted = pair.differs() && pair.is_theirs() ? std::next(noted) : table->noted.erase(noted);
    }
  }
  for (const auto& [name, table] : tables_) {
    TablePair& pair = table->pair;
    for (const std::string& noted : table->noted) {
      pair.look_up(noted);
      // Two noted keys may be one under the key's collation.
      if (!pair.is_their_key_taken()) pair.put_theirs();
    }
    table->noted.clear();
  }
  return replaced;
}

}  // namespace colony
