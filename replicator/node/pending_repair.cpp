#include "replicator/node/pending_repair.h"

#include "replicator/store/conflict.h"

namespace colony {
namespace {

// What a transaction has changed: its effect, or else its changeset.
Spill effect_of(NodeFile& file, PieceNumber first, PieceNumber last) {
  std::optional<Spill> effect = file.effect(first, last);
  return effect ? std::move(*effect) : file.outbox_transaction(first, last);
}

void append_tables(ChangesetView from, const std::set<std::string>& tables, bool are_in, Spill& out) {
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

void repair_effect(NodeFile& file, NodeFile& expected, PieceNumber first, PieceNumber last,
                   const std::set<std::string>& tables) {
  Spill mine = effect_of(file, first, last), theirs = effect_of(expected, first, last);
  if (Spill::equal(mine, theirs)) return;
  Spill effect(file.spill());
  append_tables(mine, tables, false, effect);
  append_tables(theirs, tables, true, effect);
  file.set_effect(first, last, effect);
}

}  // namespace

void repair_pending(Database& db, NodeFile& file, Database& expected_db, NodeFile& expected,
                    const std::set<std::string>& tables) {
  for (const auto& [first, last] : file.pending_pieces()) repair_effect(file, expected, first, last, tables);
  Statement remove(db, "DELETE FROM __colony_conflicts WHERE sequence = 0 AND table_name = ?1");
  Statement insert(db,
                   "INSERT INTO __colony_conflicts(sequence, origin, piece, n, kind, table_name, key, lost) SELECT 0, "
                   "?1, ?2, 1 + coalesce((SELECT max(n) FROM __colony_conflicts WHERE sequence = 0 AND origin = ?1 AND "
                   "piece = ?2), -1), ?3, ?4, ?5, ?6");
  Statement select(expected_db,
                   "SELECT origin, piece, kind, table_name, key, lost FROM __colony_conflicts WHERE sequence = 0 AND "
                   "table_name = ?1 ORDER BY origin, piece, n");
  for (const std::string& table : tables) {
    remove.bind(1, table).run();
    select.bind(1, table);
    while (select.step()) {
      for (int i = 0; i < 6; ++i) insert.bind(i + 1, select.value(i));
      insert.run();
    }
    select.reset();
  }
}

}  // namespace colony
