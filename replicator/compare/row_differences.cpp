#include "replicator/compare/row_differences.h"

#include "replicator/compare/key_list.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

// As a changeset has it: what stays is left out of an UPDATE, and another key is
// another row, even where the collation holds the two equal.
void write_row(const TablePair& pair, Operation op, ChangesetWriter& writer) {
  const std::vector<Value>& mine = pair.my_row();
  const std::vector<Value>& theirs = pair.their_row();
  if (op == Operation::kDelete) return writer.add(op, theirs, {});
  if (op == Operation::kInsert) return writer.add(op, {}, mine);
  std::vector<Value> before = theirs, after = mine;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const bool is_key = pair.table().key[i] != 0;
    const bool same = identical(before[i], after[i]);
    if (same && !is_key) before[i] = Value();
    if (same || is_key) after[i] = Value();
  }
  writer.add(op, before, after);
}

bool is_part(const TablePair& pair, Operation op) {
  if (!pair.is_theirs()) return op == Operation::kInsert;
  if (!pair.is_mine()) return op == Operation::kDelete;
  const bool same_key = pair.key_of(pair.my_row()) == pair.key_of(pair.their_row());
  return same_key == (op == Operation::kUpdate);
}

}  // namespace

struct RowDifferences::Table {
  Table(StatementCache& mine, const ReplicatedTable& my_table, StatementCache& theirs,
        const ReplicatedTable& their_table)
      : pair(mine, my_table, theirs, their_table), keys(mine.db().spill()) {}

  TablePair pair;
  KeyList keys;
};

RowDifferences::RowDifferences(Database& mine, const ReplicatedSchema& my_schema, Database& theirs,
                               const ReplicatedSchema& their_schema, const std::set<std::string>& wanted)
    : mine_(mine), theirs_(theirs) {
  for (const auto& [name, their_table] : their_schema.tables()) {
    const ReplicatedTable* const my_table = my_schema.find(name);
    if (my_table == nullptr || (!wanted.empty() && !wanted.contains(name))) continue;
    tables_.push_back(std::make_unique<Table>(mine_, *my_table, theirs_, their_table));
  }
}

RowDifferences::~RowDifferences() = default;

std::vector<std::string> RowDifferences::tables() const {
  std::vector<std::string> names;
  for (const auto& table : tables_) names.push_back(table->pair.table().name);
  return names;
}

void RowDifferences::compare(const std::function<void()>& go_on) {
  for (const auto& table : tables_) {
    table->keys.clear();
    table->pair.compare([&keys = table->keys](std::string_view key) { keys.add(key); }, go_on);
  }
}

// Calls visit, which says whether to go on, where both sides still differ.
template <class Visit>
void RowDifferences::look_at(Table& table, Visit&& visit) {
  table.keys.for_each([&](std::string_view key) {
    table.pair.look_up(key);
    return !table.pair.differs() || visit(table.pair);
  });
}

std::vector<DifferingRows> RowDifferences::count() {
  std::vector<DifferingRows> differences;
  for (const auto& table : tables_) {
    DifferingRows& difference = differences.emplace_back();
    difference.table = table->pair.table().name;
    difference.keyless = table->pair.keyless();
    look_at(*table, [&](const TablePair& pair) {
      ++(!pair.is_theirs() ? difference.only_mine : !pair.is_mine() ? difference.only_theirs : difference.different);
      return true;
    });
  }
  return differences;
}

void RowDifferences::for_each(const std::function<bool(const RowDifference&)>& visit) {
  bool goes_on = true;
  for (const auto& table : tables_) {
    if (!goes_on) return;
    look_at(*table, [&](const TablePair& pair) {
      return goes_on = visit({pair.table(), pair.is_mine() ? &pair.my_row() : nullptr,
                              pair.is_theirs() ? &pair.their_row() : nullptr});
    });
  }
}

std::uint64_t RowDifferences::write_changeset(Spill& out) {
  std::uint64_t shape = 0;
  for (const auto& table : tables_) {
    bool has_begun = false;
    for (const Operation op : {Operation::kDelete, Operation::kUpdate, Operation::kInsert}) {
      look_at(*table, [&](const TablePair& pair) {
        if (!is_part(pair, op)) return true;
        ChangesetWriter writer(out.tail());
        if (!has_begun) {
          writer.begin_table({pair.table().name, pair.table().key});
          shape = combine_shapes(shape, pair.shape());
          has_begun = true;
        }
        write_row(pair, op, writer);
        out.settle();
        return true;
      });
    }
  }
  return shape;
}

// All that differs is taken out before anything is put in: so no unique value is in
// the way.
void RowDifferences::put_theirs() {
  for (const auto& table : tables_) {
    look_at(*table, [&](TablePair& pair) {
      if (pair.is_mine()) pair.erase_mine();
      return true;
    });
    look_at(*table, [&](TablePair& pair) {
      if (!pair.is_their_key_taken()) pair.put_theirs();
      return true;
    });
  }
}

}  // namespace colony
