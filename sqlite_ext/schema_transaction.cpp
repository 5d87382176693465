#include "sqlite_ext/schema_transaction.h"

#include <map>

#include "sqlite_ext/layout_log.h"
#include "sqlite_ext/new_columns.h"
#include "sqlite_ext/schema_rehearsal.h"

namespace colony {
namespace {

Recorder::Drain into(Spill& spill) {
  return [&spill](std::string& bytes, std::uint64_t) {
    spill.append(bytes);
    bytes.clear();
  };
}

}  // namespace

void SchemaTransaction::write(const std::vector<std::string>& new_tables) {
  SchemaChanges changes = judge_.changes();
  const std::uint64_t known = count_layouts(db_, schema_);
  judge_.follow(changes);
  for (const std::string& table : new_tables) judge_.take_in(table);
  const std::size_t recorded = recorder_.mark();
  std::vector<Recorder::RecordedTable> tables;
  std::set<std::string> gone;
  std::vector<std::string> whole = new_tables;
  for (const auto& [table, fate] : judge_.fates()) {
    if (fate.is_gone) {
      gone.insert(table);
    } else {
      tables.push_back({fate.name, table, true});
    }
  }
  for (const SchemaChange& change : changes) {
    if (change.kind == SchemaChange::Kind::kRemake) whole.push_back(change.name);
  }
  for (const std::string& table : whole) tables.push_back({table, "\n" + table, true});
  recorder_.set_tables(tables, true);
  changes = with_renamed_columns(changes);
  fill_new_columns(changes);  // what would have been carried over, before what is there
  judge_.note_layouts(changes);
  for (const std::string& table : whole) recorder_.record_all(table, Operation::kInsert);
  outbox_.write(recorder_, gone, encoded(changes, known));
  if (!leave_rows_alone(changes)) write_effect(changes, gone);
  recorder_.truncate(recorded);
  if (outbox_.has_written() && !changes.empty()) judge_.confirm_with(outbox_.first_written());
  judge_.settle_guards();
}

// A column that was copied under another name into a table that was made anew was renamed: so
// other nodes' rows keep what they have in it.
SchemaChanges SchemaTransaction::with_renamed_columns(const SchemaChanges& changes) {
  SchemaChanges all;
  for (const SchemaChange& change : changes) {
    all.push_back(change);
    if (change.kind != SchemaChange::Kind::kRemake) continue;
    std::string former = change.former;
    SchemaChanges renames;
    for (const auto& [column, now] : recorder_.renamed_by_copy(change.name, change.name)) {
      if (judge_.is_named_elsewhere(change.name, column)) continue;
      const SchemaChange rename{SchemaChange::Kind::kRenameColumn, "table", change.name, column, quoted(now), now, ""};
      const auto texts = rehearse({{change.name, {"table", change.name, former}}}, {rename});
      const auto text = texts.find(change.name);
      if (text == texts.end() || column_definition(text->second, now).empty()) continue;
      former = text->second;
      renames.push_back(rename);
    }
    all.back().former = former;
    all.insert(all.end() - 1, renames.begin(), renames.end());
  }
  return all;
}

// What other nodes' rows get in columns that are new in a table that was made anew: what all
// rows have here, if that is one value.
void SchemaTransaction::fill_new_columns(SchemaChanges& changes) {
  std::map<std::string, Recorder::ColumnNames> renamed;
  for (SchemaChange& change : changes) {
    if (change.kind == SchemaChange::Kind::kRenameColumn) renamed[change.name][change.column] = change.to;
    if (change.kind != SchemaChange::Kind::kRemake) continue;
    std::vector<std::string> former = recorder_.last_columns(change.name);
    for (std::string& column : former) {
      if (const auto now = renamed[change.name].find(column); now != renamed[change.name].end()) column = now->second;
    }
    change.fills = new_column_values(db_, schema_, change.name, former);
    recorder_.record_carried(change.name, change.name, renamed[change.name], {change.fills.begin(), change.fills.end()},
                             values_for_null(db_, schema_, change.name));
  }
}

void SchemaTransaction::write_effect(const SchemaChanges& changes, const std::set<std::string>& gone) {
  Spill before(recorder_.spill()), effect(recorder_.spill());
  recorder_.write_before(into(before), gone);
  std::string head(1, kBeforeSection);
  append_varint(head, before.size());
  effect.append(head);
  effect.append(before);
  SchemaChanges all = judge_.gone_with(gone);
  all.insert(all.end(), changes.begin(), changes.end());
  judge_.keep_former_texts(all);
  effect.append(encoded(all));
  recorder_.write_after(into(effect), gone);
  outbox_.write_effect(effect.view());
}

}  // namespace colony
