#include "replicator/store/proof.h"

#include <xxhash.h>

#include <map>
#include <optional>

#include "replicator/store/node_file.h"
#include "replicator/store/replicated_schema.h"
#include "replicator/store/table_statements.h"
#include "replicator/store/touched.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

struct TableSum {
  std::uint64_t hash = 0;
  std::uint64_t rows = 0;

  void add(const std::string& row) {
    hash += XXH3_64bits(row.data(), row.size());
    ++rows;
  }
  void remove(const std::string& row) {
    hash -= XXH3_64bits(row.data(), row.size());
    --rows;
  }
};

std::string encoded(const std::vector<Value>& row) {
  std::string bytes;
  for (const Value& value : row) append_value(bytes, value);
  return bytes;
}

TableSum sum_of(Database& db, const ReplicatedTable& table) {
  std::string names;
  for (const std::string& column : table.columns) names += (names.empty() ? "" : ",") + quoted(column);
  Statement rows(db, "SELECT " + names + " FROM main." + quoted(table.name));
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
  if (!info.step() || info.is_null(1)) return encoded({Value::null()});
  const std::string type(info.text(0)), value(info.text(1));
  for (const std::string& definition : {value, "(" + value + ")"}) {
    try {
      Database scratch(":memory:", Database::Mode::kReadWrite);
      scratch.execute("CREATE TABLE t(c " + type + " DEFAULT " + definition + "); INSERT INTO t DEFAULT VALUES");
      Statement row(scratch, "SELECT c FROM t");
      if (row.step()) return encoded({row.value(0)});
    } catch (const SqliteError&) {
      // An expression needs its parentheses, and a word in quotes must not have them.
    }
  }
  return encoded({Value::null()});
}

// A row that pending transactions touch, now and without them; encoded, and
// nothing where there is no row.
struct TouchedRow {
  std::optional<std::string> now;
  std::optional<std::string> without;
};

// Takes pending changes back, the latest first, in memory.
class Unpending {
 public:
  Unpending(Database& db, const ReplicatedTable& table)
      : db_(db), statements_(db, table, table.columns.size()), table_(table) {}

  // `undoing`: a change of the inverse of what really happened.
  void take_back(const Change& undoing) {
    const std::vector<Value>& key_holder = undoing.op == Operation::kInsert ? undoing.after : undoing.before;
    const auto [at, fresh] = rows_.try_emplace(row_mark(table_, key_holder));
    TouchedRow& row = at->second;
    if (fresh) {
      std::vector<Value> values;
      std::string storage;
      if (statements_.select(key_holder, values, storage)) row.now = row.without = storage;
    }
    if (undoing.op == Operation::kDelete) {
      row.without.reset();
    } else if (undoing.op == Operation::kInsert) {
      row.without = padded(undoing.after);
    } else if (row.without) {
      std::vector<Value> values;
      std::string_view rest = *row.without;
      while (!rest.empty()) values.push_back(take_value(rest));
      for (std::size_t i = 0; i < undoing.after.size(); ++i) {
        if (undoing.after[i].defined()) values[i] = undoing.after[i];
      }
      row.without = encoded(values);
    }
  }

  void apply(TableSum& sum) const {
    for (const auto& [mark, row] : rows_) {
      if (row.now) sum.remove(*row.now);
      if (row.without) sum.add(*row.without);
    }
  }

 private:
  // A changeset older than the table's latest columns lacks them.
  std::string padded(const std::vector<Value>& row) {
    std::string bytes = encoded(row);
    for (std::size_t i = row.size(); i < table_.columns.size(); ++i) {
      const auto [known, fresh] = defaults_.try_emplace(i);
      if (fresh) known->second = encoded_default(db_, table_, i);
      bytes += known->second;
    }
    return bytes;
  }

  Database& db_;
  TableStatements statements_;
  const ReplicatedTable& table_;
  std::map<std::uint64_t, TouchedRow> rows_;
  std::map<std::size_t, std::string> defaults_;  // by column
};

}  // namespace

ProofSnapshot::ProofSnapshot(const std::string& path, std::uint64_t id, Sequence position)
    : db_(path, Database::Mode::kReadWrite), id_(id), position_(position) {
  db_.execute("PRAGMA query_only = ON; BEGIN");
  db_.query_integer("SELECT count(*) FROM __colony_meta");  // begins the read
}

ProofEntry ProofSnapshot::compute() {
  NodeFile file(db_);
  COLONY_ASSERT(file.position() == position_);
  ReplicatedSchema schema;
  schema.load(db_);

  std::map<std::string, Unpending> unpending;
  const auto take_back = [&](std::string_view effect) {
    const std::string undo = invert(effect);
    ChangesetReader reader(undo);
    Change change;
    while (reader.next(change)) {
      const ReplicatedTable* const table = schema.find(reader.table().name);
      if (table == nullptr) continue;
      unpending.try_emplace(table->name, db_, *table).first->second.take_back(change);
    }
  };
  std::vector<std::pair<PieceNumber, PieceNumber>> transactions;
  std::optional<PieceNumber> first;
  Statement pieces(db_, "SELECT piece, last FROM __colony_outbox ORDER BY piece");
  while (pieces.step()) {
    const PieceNumber piece(static_cast<std::uint64_t>(pieces.integer(0)));
    if (!first) first = piece;
    if (pieces.integer(1) == 0) continue;
    transactions.emplace_back(*first, piece);
    first.reset();
  }
  for (auto it = transactions.rbegin(); it != transactions.rend(); ++it) {
    const std::optional<std::string> effect = file.effect(it->second);
    take_back(effect ? *effect : file.outbox_transaction(it->first, it->second));
  }

  ProofEntry proof;
  proof.id = id_;
  proof.position = position_;
  for (const auto& [name, table] : schema.tables()) {
    TableSum sum = sum_of(db_, table);
    if (const auto pending = unpending.find(name); pending != unpending.end()) pending->second.apply(sum);
    proof.tables.push_back({name, sum.hash, sum.rows});
  }
  proof.foreign_key_violations =
      static_cast<std::uint64_t>(db_.query_integer("SELECT count(*) FROM pragma_foreign_key_check"));
  return proof;
}

}  // namespace colony
