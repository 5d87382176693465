#include "replicator/compare/proof.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "replicator/compare/foreign_keys.h"
#include "replicator/compare/key_range.h"
#include "replicator/fold/table_statements.h"
#include "replicator/fold/write_set.h"
#include "replicator/store/node_file.h"
#include "replicator/store/replicated_schema.h"
#include "replicator/store/statement_progress.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

struct TableSum {
  std::uint64_t hash = 0;
  std::uint64_t rows = 0;

  void add(std::string_view row) {
    hash += XXH3_64bits(row.data(), row.size());
    ++rows;
  }
  void remove(std::string_view row) {
    hash -= XXH3_64bits(row.data(), row.size());
    --rows;
  }
};

std::string encoded(const std::vector<Value>& row) {
  std::string bytes;
  for (const Value& value : row) append_value(bytes, value);
  return bytes;
}

TableSum sum_of(Database& db, const ReplicatedTable& table, std::size_t columns, const KeyRange& range) {
  std::string names;
  for (std::size_t i = 0; i < columns; ++i) names += (i == 0 ? "" : ",") + quoted(table.columns[i]);
  std::string where = range.where(table);
  if (table.key_allows_null()) where += (where.empty() ? " WHERE " : " AND ") + table.key_is_whole();
  Statement rows(db, "SELECT " + names + " FROM main." + quoted(table.name) + where);
  range.bind(rows, 1);
  TableSum sum;
  std::string row;
  while (rows.step()) {
    row.clear();
    for (int i = 0; i < rows.columns(); ++i) append_value(row, rows.value(i));
    sum.add(row);
  }
  return sum;
}

// What a row holds in a column that was added after it was written: the column's
// default, encoded as SQLite would store it there.
std::string encoded_default(Database& db, const ReplicatedTable& table, std::size_t column) {
  Statement info(db, "SELECT type, dflt_value FROM pragma_table_info(?1) WHERE name = ?2");
  info.bind(1, table.name).bind(2, table.columns[column]);
  const bool is_constant = table.without_value[column] == WithoutValue::kDefault;
  if (!is_constant || !info.step() || info.is_null(1)) return encoded({Value::null()});
  return colony::encoded_default(std::string(info.text(0)), std::string(info.text(1)));
}

// Takes pending changes back, the latest first: not in the table, but in a scratch
// database that has the rows that they touch as they would be. It is in memory
// while it is small, and a temporary file of SQLite's beyond that.
class Unpending {
 public:
  // Of the first `columns` of the rows in `range`.
  Unpending(StatementCache& cache, const ReplicatedTable& table, std::size_t columns, const KeyRange& range)
      : db_(cache.db()),
        statements_(cache, table, columns),
        table_(table),
        columns_(columns),
        range_(range),
        scratch_("", Database::Mode::kReadWrite) {
    scratch_.execute("PRAGMA journal_mode = OFF; CREATE TABLE without(id INTEGER PRIMARY KEY, row); BEGIN");
    if (!range_.is_whole()) in_range_ = Statement(scratch_, "SELECT " + range_.test(table_));
    get_ = Statement(scratch_, "SELECT row FROM without WHERE id = ?1");
    set_ = Statement(scratch_, "INSERT OR REPLACE INTO without(id, row) VALUES(?1, ?2)");
  }

  // `undoing`: a change of the inverse of what really happened.
  void take_back(const Change& undoing) {
    const std::vector<Value>& key_holder = undoing.op == Operation::kInsert ? undoing.after : undoing.before;
    if (!is_in_range(key_holder)) return;
    const auto next = static_cast<std::int64_t>(ids_.size()) + 1;
    const auto [at, fresh] = ids_.try_emplace(row_fingerprint(table_, key_holder), next);
    std::optional<std::string> row = fresh ? present(key_holder) : kept(at->second);
    if (undoing.op == Operation::kDelete) {
      row.reset();
    } else if (undoing.op == Operation::kInsert) {
      row = padded(undoing.after);
    } else if (row) {
      std::vector<Value> values;
      std::string_view rest = *row;
      while (!rest.empty()) values.push_back(take_value(rest));
      for (std::size_t i = 0; i < std::min(undoing.after.size(), columns_); ++i) {
        if (undoing.after[i].defined()) values[i] = undoing.after[i];
      }
      row = encoded(values);
    }
    keep(at->second, row);
  }

  void apply(TableSum& sum) {
    Statement rows(scratch_, "SELECT row FROM without WHERE row IS NOT NULL");
    while (rows.step()) difference_.add(rows.blob(0));
    sum.hash += difference_.hash;
    sum.rows += difference_.rows;
  }

 private:
  bool is_in_range(const std::vector<Value>& key_holder) {
    if (!in_range_) return true;
    const ResetAtEnd reset(in_range_);
    range_.bind(in_range_, bind_key(in_range_, table_, key_holder));
    return in_range_.step() && in_range_.integer(0) != 0;
  }

  // The row as the table has it: it is no longer to be counted.
  std::optional<std::string> present(const std::vector<Value>& key) {
    std::vector<Value> values;
    std::string storage;
    if (!statements_.select(key, values, storage)) return std::nullopt;
    difference_.remove(storage);
    return storage;
  }
  std::optional<std::string> kept(std::int64_t id) {
    const ResetAtEnd reset(get_);
    if (!get_.bind(1, id).step() || get_.is_null(0)) return std::nullopt;
    return std::string(get_.blob(0));
  }
  void keep(std::int64_t id, const std::optional<std::string>& row) {
    set_.bind(1, id);
    row ? set_.bind_blob(2, *row) : set_.bind_null(2);
    set_.run();
  }

  // A changeset older than the table's latest columns lacks them.
  std::string padded(const std::vector<Value>& row) {
    std::string bytes =
        encoded({row.begin(), row.begin() + static_cast<std::ptrdiff_t>(std::min(row.size(), columns_))});
    for (std::size_t i = row.size(); i < columns_; ++i) {
      const auto [known, fresh] = defaults_.try_emplace(i);
      if (fresh) known->second = encoded_default(db_, table_, i);
      bytes += known->second;
    }
    return bytes;
  }

  Database& db_;
  TableStatements statements_;
  const ReplicatedTable& table_;
  const std::size_t columns_;
  const KeyRange range_;
  Database scratch_;
  Statement get_, set_, in_range_;
  std::unordered_map<std::uint64_t, std::int64_t> ids_;  // in the scratch database, by the row's mark
  TableSum difference_;                                  // of the table without them and as it is
  std::map<std::size_t, std::string> defaults_;          // by column
};

}  // namespace

ProofSnapshot::ProofSnapshot(const std::string& path, std::uint64_t id, Sequence position, const BeginRead& begin)
    : db_(path, Database::Mode::kReadWrite), id_(id), position_(position) {
  db_.execute("PRAGMA query_only = ON");
  begin_read(db_, begin);
}

ProofEntry ProofSnapshot::answer() const {
  ProofEntry proof;
  proof.id = id_;
  proof.position = position_;
  return proof;
}

namespace {

// What a proof is made of: shares, and what of them is pending.
class Sums {
 public:
  Sums(Database& db, Sequence position) : db_(db), file_(db), cache_(db) {
    if (file_.position() != position) throw Error("the file was put back while a proof of it was asked for");
    schema_.load(db_);
  }

  const ReplicatedSchema& schema() const { return schema_; }

  void add(const ReplicatedTable& table, std::size_t columns, const KeyRange& range) {
    shares_.push_back({table, columns, range});
  }

  void compute(std::vector<ProofEntry::Table>& sums) {
    std::map<std::string, Unpending> unpending = this->unpending();
    for (const Share& share : shares_) {
      TableSum sum = sum_of(db_, share.table, share.columns, share.range);
      if (const auto pending = unpending.find(share.table.name); pending != unpending.end()) pending->second.apply(sum);
      sums.push_back({share.table.name, sum.hash, sum.rows});
    }
  }

 private:
  struct Share {
    const ReplicatedTable& table;
    std::size_t columns;
    KeyRange range;
  };

  std::map<std::string, Unpending> unpending() {
    std::map<std::string, Unpending> unpending;
    const std::vector<std::pair<ChunkNumber, ChunkNumber>> transactions = file_.pending_chunks();
    for (auto it = transactions.rbegin(); it != transactions.rend(); ++it) {
      std::optional<Spill> effect = file_.effect(it->first, it->second);
      take_back(effect ? std::move(*effect) : file_.outbox_transaction(it->first, it->second), unpending);
    }
    return unpending;
  }

  void take_back(Spill effect, std::map<std::string, Unpending>& unpending) {
    Spill undo = invert(effect, db_.spill());
    effect.clear();
    ChangesetReader reader(undo);
    Change change;
    while (reader.next(change)) {
      const std::string& name = reader.table().name;
      const auto share =
          std::find_if(shares_.begin(), shares_.end(), [&](const Share& s) { return s.table.name == name; });
      if (share == shares_.end()) continue;
      unpending.try_emplace(name, cache_, share->table, share->columns, share->range).first->second.take_back(change);
    }
  }

  Database& db_;
  NodeFile file_;
  StatementCache cache_;
  ReplicatedSchema schema_;
  std::vector<Share> shares_;
};

}  // namespace

ProofEntry ProofSnapshot::compute(const std::function<void()>& on_progress) {
  const StatementProgress goes_on(db_, on_progress);
  Sums sums(db_, position_);
  for (const auto& [name, table] : sums.schema().tables()) sums.add(table, table.columns.size(), KeyRange());
  ProofEntry proof = answer();
  sums.compute(proof.tables);
  proof.foreign_key_violations = count_foreign_key_violations(db_);
  return proof;
}

ProofEntry ProofSnapshot::compute(const std::vector<CheckRange>& ranges, const std::function<void()>& on_progress) {
  const StatementProgress goes_on(db_, on_progress);
  Sums sums(db_, position_);
  for (const CheckRange& range : ranges) {
    const ReplicatedTable* const table = sums.schema().find(range.table);
    if (table == nullptr || table->columns.size() < range.columns) continue;
    const auto columns = static_cast<std::size_t>(range.columns);
    const std::vector<std::size_t> key = key_columns(*table);
    if (columns <= *std::max_element(key.begin(), key.end()) || table->shape(columns) != range.shape) continue;
    if (const std::optional<KeyRange> keys = KeyRange::of(*table, range.low, range.high)) {
      sums.add(*table, columns, *keys);
    }
  }
  ProofEntry proof = answer();
  sums.compute(proof.tables);
  return proof;
}

}  // namespace colony
