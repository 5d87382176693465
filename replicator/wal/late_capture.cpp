#include "replicator/wal/late_capture.h"

#include <utility>

#include "replicator/fold/json.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/change_log.h"
#include "sqlite_ext/net_rows.h"
#include "sqlite_ext/outbox_writer.h"

namespace colony {
namespace {

std::string shown_key(const RowKey& key) {
  std::string shown;
  for (std::string_view rest = key.values; !rest.empty();) {
    shown += (shown.empty() ? "" : ",") + json_value(take_value(rest));
  }
  return "[" + shown + "]";
}

void note(LateCapture::Findings& findings, const RowKey& key, const BothChanges& both) {
  LateCapture::Finding& finding = findings[key.table];
  ++(both.pages ? finding.not_in_outbox : finding.only_in_outbox);
  if (finding.a_key.empty()) finding.a_key = shown_key(key);
}

// A table of the changesets that are written, and the columns that it has now.
struct TableNow {
  std::uint32_t number = 0;
  CapturedTable table;
  Statement select;

  TableNow(Database& db, std::uint32_t n, CapturedTable of) : number(n), table(std::move(of)) {
    std::string columns, where;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      columns += (i == 0 ? "" : ",") + colony::quoted(table.columns[i].name);
      if (table.header.key[i] == 0) continue;
      where += (where.empty() ? "" : " AND ") + colony::quoted(table.columns[i].name) + " = ?" + std::to_string(i + 1);
    }
    select = Statement(db, "SELECT " + columns + " FROM " + colony::quoted(table.header.name) + " WHERE " + where);
  }

  // The row that has exactly this key; empty if there is none.
  std::vector<std::string> row(const RowKey& key) {
    const ResetAtEnd reset(select);
    std::string_view rest = key.values;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (table.header.key[i] != 0) select.bind(static_cast<int>(i + 1), take_value(rest));
    }
    std::vector<std::string> values;
    if (!select.step()) return values;
    std::string found;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      std::string& value = values.emplace_back();
      append_value(value, select.value(static_cast<int>(i)));
      if (table.header.key[i] != 0) found += value;
    }
    if (found != key.values) values.clear();
    return values;
  }
};

bool has_unique_index(Database& db, const std::string& table) {
  Statement select(db, "SELECT 1 FROM pragma_index_list(?1) WHERE \"unique\" AND origin <> 'pk'");
  return select.bind(1, std::string_view(table)).step();
}

Spill net_changeset(const ChangeLog& log, const NetRows::LayoutOf& layout_of, std::vector<std::uint32_t>* tables) {
  Spill changeset(log.spill());
  const NetRows net(log, layout_of);
  net.write([&](std::string& bytes) {
    changeset.append(bytes);
    bytes.clear();
  });
  if (tables != nullptr) *tables = net.tables();
  return changeset;
}

}  // namespace

LateCapture::Findings LateCapture::take(const Transaction& transaction, const ChangeComparison::Wanted& wanted) {
  Findings findings;
  const ChangeComparison comparison(transaction.pages, transaction.outbox, wanted);
  if (comparison.are_equal() && rows_.empty()) return findings;
  if (!rows_.empty()) note_changed(transaction.outbox);
  std::vector<RowKey> keys;
  for (const auto& [key, row] : rows_) keys.push_back(key);
  for (const auto& [key, both] : comparison.rows(keys)) {
    const bool differs = both.pages != both.outbox;
    if (differs) note(findings, key, both);
    if ((!differs && !rows_.contains(key)) || given_up_.contains(key.table)) continue;
    Row& row = row_of(key, both);
    if (both.pages) keep_values(row, *both.pages);
    if (!both.outbox) continue;
    const std::optional<RowChange> done = fold(row, *both.outbox);
    if (done == both.outbox) continue;
    if (transaction.changes_schema) {
      give_up(key.table);
    } else {
      Effect& effect = effects_[transaction.last];
      effect.first = transaction.first;
      effect.rows[key] = done;
    }
  }
  return findings;
}

void LateCapture::note_changed(ChangesetView outbox) {
  ChangesetReader reader(outbox);
  Change change;
  while (reader.next(change)) {
    const auto row = rows_.lower_bound(RowKey{reader.table().name, {}});
    if (row != rows_.end() && row->first.table == reader.table().name) changed_since_.insert(reader.table().name);
  }
}

// Until now it was the same here and there.
LateCapture::Row& LateCapture::row_of(const RowKey& key, const BothChanges& both) {
  const auto [row, is_new] = rows_.try_emplace(key);
  if (!is_new) return row->second;
  const RowChange& change = both.pages ? *both.pages : *both.outbox;
  row->second.table = both.table;
  row->second.exists = change.op != Operation::kInsert;
  row->second.values.resize(both.table.columns());
  return row->second;
}

// What the file's row loses of what the others' has.
void LateCapture::keep_values(Row& row, const RowChange& by_pages) {
  if (!row.exists || by_pages.op == Operation::kInsert) return;
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    if (row.values[i].empty()) row.values[i] = by_pages.before[i];
  }
}

// What the fold makes of the row, and what that has changed.
std::optional<RowChange> LateCapture::fold(Row& row, const RowChange& change) {
  RowChange done{change.op, change.before, change.after};
  const bool existed = row.exists;
  const std::vector<std::string> was = row.values;
  row.exists = change.op == Operation::kUpdate ? existed : change.op == Operation::kInsert;
  if (change.op == Operation::kDelete) {
    if (!existed) return std::nullopt;
    for (std::size_t i = 0; i < was.size(); ++i) {
      if (!was[i].empty()) done.before[i] = was[i];
    }
    row.values.assign(was.size(), "");
    return done;
  }
  if (change.op == Operation::kInsert) {
    row.values = change.after;
    if (!existed) return done;
    done.op = Operation::kUpdate;
    done.before = was;
  } else if (!existed) {
    return std::nullopt;
  }
  bool changes = false;
  for (std::size_t i = 0; i < was.size(); ++i) {
    const bool is_key = row.table.key[i] != 0;
    if (is_key && done.before[i].empty()) done.before[i] = change.after[i];
    if (is_key) done.after[i].clear();
    if (is_key || change.after[i].empty()) continue;
    row.values[i] = change.after[i];
    done.before[i] = was[i].empty() && change.op == Operation::kUpdate ? change.before[i] : was[i];
    if (done.before[i] == done.after[i] || done.before[i].empty()) {
      done.before[i].clear();
      done.after[i].clear();
    }
    changes |= !done.after[i].empty();
  }
  return changes ? std::optional(done) : std::nullopt;
}

void LateCapture::give_up(const std::string& table) {
  if (std::erase_if(rows_, [&](const auto& row) { return row.first.table == table; }) == 0) return;
  given_up_.insert(table);
  for (auto& [last, effect] : effects_) {
    std::erase_if(effect.rows, [&](const auto& row) { return row.first.table == table; });
  }
}

void LateCapture::give_up_all() {
  std::set<std::string> tables;
  for (const auto& [key, row] : rows_) tables.insert(key.table);
  for (const std::string& table : tables) give_up(table);
}

LateCapture::Written LateCapture::write(Database& db, NodeFile& file) {
  Written written;
  written.rows = write_rows(db, file.is_unconfirmed());
  bool has_effects = false;
  for (const auto& [last, effect] : effects_) {
    if (effect.rows.empty() || last <= file.absorbed()) continue;
    write_effect(db, file, last, effect);
    has_effects = true;
  }
  if (has_effects) file.count_repair();
  for (const std::string& table : changed_since_) {
    if (has_unique_index(db, table)) given_up_.insert(table);
  }
  Statement unchecked(db,
                      "INSERT OR REPLACE INTO __colony_unchecked(name, since, why) VALUES(?1, strftime('%s', 'now') + "
                      "0, 'a program has changed rows of it that were not captured')");
  for (const std::string& table : given_up_) unchecked.bind(1, table).run();
  written.given_up = given_up_;
  return written;
}

std::uint64_t LateCapture::write_rows(Database& db, bool names_columns) {
  ChangeLog log(db.spill());
  std::vector<TableNow> tables;
  std::uint64_t rows = 0;
  for (auto& [key, row] : rows_) {  // table by table
    if (tables.empty() || tables.back().table.header.name != key.table) {
      std::optional<CapturedTable> table = load_captured_table(db.handle(), "main", key.table);
      if (!table || table->header.key != row.table.key) {
        given_up_.insert(key.table);
        continue;
      }
      if (names_columns) {
        for (const CapturedColumn& column : table->columns) table->header.names.push_back(column.name);
      }
      tables.emplace_back(db, static_cast<std::uint32_t>(tables.size()), std::move(*table));
    }
    TableNow& now = tables.back();
    const std::vector<std::string> is = now.row(key);
    std::vector<std::string> was = row.exists ? row.values : std::vector<std::string>();
    for (std::size_t i = 0; i < was.size(); ++i) {
      if (was[i].empty()) was[i] = is.empty() ? std::string(1, static_cast<char>(ValueType::kNull)) : is[i];
    }
    if (was == is) continue;
    std::vector<Value> before = decoded(was), after = decoded(is);
    log.append_row(now.number, now.table.header.key, before, after);
    ++rows;
  }
  if (log.empty()) return 0;
  std::vector<std::uint32_t> touched;
  const Spill changeset = net_changeset(
      log, [&](std::uint32_t n) -> const ChangesetTable& { return tables[n].table.header; }, &touched);
  std::uint64_t shape = 0;
  for (const std::uint32_t n : touched) shape = combine_shapes(shape, tables[n].table.shape);
  OutboxWriter(db.handle(), "main").write(const_cast<Spill&>(changeset).view(), shape);
  return rows;
}

void LateCapture::write_effect(Database& db, NodeFile& file, ChunkNumber last, const Effect& effect) {
  ChangeLog log(db.spill());
  std::vector<ChangesetTable> headers;
  Spill changeset = file.outbox_transaction(effect.first, last);
  ChangesetReader reader{ChangesetView(changeset)};
  Change change;
  while (reader.next(change)) {
    if (headers.size() != reader.tables_begun()) headers.push_back(reader.table());
    const auto number = static_cast<std::uint32_t>(headers.size() - 1);
    const auto other = effect.rows.find(key_of(reader.table(), change));
    if (other == effect.rows.end()) {
      log.append(number, change.op, change.before, change.after);
    } else if (other->second) {
      const RowChange& done = *other->second;
      log.append(number, done.op, done.op == Operation::kInsert ? std::vector<Value>() : decoded(done.before),
                 done.op == Operation::kDelete ? std::vector<Value>() : decoded(done.after));
    }
  }
  const Spill done = net_changeset(
      log, [&](std::uint32_t n) -> const ChangesetTable& { return headers[n]; }, nullptr);
  file.set_effect(effect.first, last, ChangesetView(const_cast<Spill&>(done)));
}

void LateCapture::clear() {
  rows_.clear();
  effects_.clear();
  given_up_.clear();
  changed_since_.clear();
}

}  // namespace colony
