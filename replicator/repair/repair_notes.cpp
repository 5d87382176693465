#include "replicator/repair/repair_notes.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "replicator/fold/conflict.h"

namespace colony {
namespace {

// What a transaction has changed: its effect, or else its changeset.
Spill effect_of(NodeFile& file, ChunkNumber first, ChunkNumber last) {
  std::optional<Spill> effect = file.effect(first, last);
  return effect ? std::move(*effect) : file.outbox_transaction(first, last);
}

// The changes of `from` whose table is among these, or is not.
void append_changes(ChangesetView from, const std::set<std::string>& tables, bool are_in, Spill& out) {
  ChangesetReader reader(from);
  Change change;
  std::size_t begun = 0;
  while (reader.next(change)) {
    if (tables.contains(reader.table().name) != are_in) continue;
    ChangesetWriter writer(out.tail());
    if (begun != reader.tables_begun()) writer.begin_table(reader.table());
    begun = reader.tables_begun();
    writer.add(change);
    out.settle();
  }
}

void copy_rows(Statement& from, Statement& to) {
  while (from.step()) {
    for (int i = 0; i < from.columns(); ++i) to.bind(i + 1, from.value(i));
    to.run();
  }
  from.reset();
}

}  // namespace

RepairNotes::RepairNotes(Database& db, NodeFile& file, Database& expected_db, NodeFile& expected,
                         std::set<std::string> tables, bool all)
    : db_(db), file_(file), expected_db_(expected_db), expected_(expected), tables_(std::move(tables)), all_(all) {}

NoteDifference RepairNotes::count() {
  NoteDifference difference;
  for (const auto& [first, last] : file_.pending_chunks()) {
    Spill mine = effect_of(file_, first, last), theirs = effect_of(expected_, first, last);
    if (!same_changes(mine, theirs)) ++difference.effects;
  }
  const std::multiset<std::string> mine = conflicts_of(db_), theirs = conflicts_of(expected_db_);
  std::vector<std::string> lines;
  std::set_symmetric_difference(mine.begin(), mine.end(), theirs.begin(), theirs.end(), std::back_inserter(lines));
  difference.conflicts = lines.size();
  return difference;
}

void RepairNotes::repair() {
  for (const auto& [first, last] : file_.pending_chunks()) repair_effect(first, last);
  if (all_) {
    repair_journal();
  } else {
    repair_pending_conflicts();
  }
}

// Whatever the order of their tables.
bool RepairNotes::same_changes(Spill& mine, Spill& theirs) const {
  if (Spill::equal(mine, theirs)) return true;
  return std::all_of(tables_.begin(), tables_.end(), [&](const std::string& table) {
    Spill of_mine(file_.spill()), of_theirs(file_.spill());
    append_changes(mine, {table}, true, of_mine);
    append_changes(theirs, {table}, true, of_theirs);
    return Spill::equal(of_mine, of_theirs);
  });
}

std::multiset<std::string> RepairNotes::conflicts_of(Database& db) const {
  std::multiset<std::string> lines;
  Statement select(db, "SELECT table_name, sequence, origin, piece, kind, key, lost FROM __colony_conflicts");
  while (select.step()) {
    if (!all_ && (select.integer(1) != 0 || !tables_.contains(std::string(select.text(0))))) continue;
    std::string line;
    for (int i = 0; i < select.columns(); ++i) append_value(line, select.value(i));
    lines.insert(std::move(line));
  }
  return lines;
}

void RepairNotes::repair_effect(ChunkNumber first, ChunkNumber last) {
  Spill mine = effect_of(file_, first, last), theirs = effect_of(expected_, first, last);
  if (same_changes(mine, theirs)) return;
  Spill effect(file_.spill());
  append_changes(mine, tables_, false, effect);
  append_changes(theirs, tables_, true, effect);
  file_.set_effect(first, last, effect);
}

void RepairNotes::repair_journal() {
  db_.execute("DELETE FROM __colony_conflicts");
  Statement select(expected_db_,
                   "SELECT sequence, origin, piece, n, kind, table_name, key, lost FROM __colony_conflicts");
  Statement insert(db_,
                   "INSERT INTO __colony_conflicts(sequence, origin, piece, n, kind, table_name, key, lost) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  copy_rows(select, insert);
}

// Behind those that the same transactions have of other tables.
void RepairNotes::repair_pending_conflicts() {
  Statement remove(db_, "DELETE FROM __colony_conflicts WHERE sequence = 0 AND table_name = ?1");
  Statement insert(db_,
                   "INSERT INTO __colony_conflicts(sequence, origin, piece, n, kind, table_name, key, lost) SELECT 0, "
                   "?1, ?2, 1 + coalesce((SELECT max(n) FROM __colony_conflicts WHERE sequence = 0 AND origin = ?1 AND "
                   "piece = ?2), -1), ?3, ?4, ?5, ?6");
  Statement select(expected_db_,
                   "SELECT origin, piece, kind, table_name, key, lost FROM __colony_conflicts WHERE sequence = 0 AND "
                   "table_name = ?1 ORDER BY origin, piece, n");
  for (const std::string& table : tables_) {
    remove.bind(1, table).run();
    select.bind(1, table);
    copy_rows(select, insert);
  }
}

}  // namespace colony
