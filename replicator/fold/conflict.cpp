#include "replicator/fold/conflict.h"

#include <algorithm>

#include "sqlite_ext/changeset.h"

namespace colony {

const char* to_string(ConflictKind kind) {
  switch (kind) {
    case ConflictKind::kInsertExists:
      return "insert_exists";
    case ConflictKind::kUpdateDiffers:
      return "update_differs";
    case ConflictKind::kUpdateMissing:
      return "update_missing";
    case ConflictKind::kDeleteDiffers:
      return "delete_differs";
    case ConflictKind::kDeleteMissing:
      return "delete_missing";
    case ConflictKind::kDisplaced:
      return "displaced";
    case ConflictKind::kNoPlace:
      return "no_place";
    case ConflictKind::kSchemaDiffers:
      return "schema_differs";
  }
  return "";
}

void Conflicts::add(const Conflict& conflict) {
  append_value(bytes_.tail(), Value::of_integer(static_cast<std::int64_t>(conflict.kind)));
  for (const std::string* text : {&conflict.table, &conflict.key, &conflict.lost}) {
    append_value(bytes_.tail(), Value::of_text(*text));
  }
  bytes_.settle();
  ++count_;
}

Conflict Conflicts::take(std::string_view& rest) {
  const auto kind = static_cast<ConflictKind>(take_value(rest).integer);
  const auto text = [&] { return std::string(take_value(rest).bytes()); };
  std::string table = text(), key = text(), lost = text();
  return {kind, std::move(table), std::move(key), std::move(lost)};
}

Conflict Conflicts::front() {
  std::string_view all = bytes_.view();
  return take(all);
}

void Conflicts::truncate(const Mark& mark) {
  bytes_.truncate(mark.bytes);
  count_ = mark.count;
}

ConflictJournal::ConflictJournal(Database& db)
    : insert_(db,
              "INSERT INTO __colony_conflicts(sequence, origin, piece, n, kind, table_name, key, lost) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
      forget_(db, "DELETE FROM __colony_conflicts WHERE sequence = 0 AND origin = ?1 AND piece = ?2"),
      forget_rows_(db,
                   "DELETE FROM __colony_conflicts WHERE sequence = 0 AND origin = ?1 AND piece = ?2 AND "
                   "kind <> 'schema_differs'"),
      settle_(db, "UPDATE __colony_conflicts SET sequence = ?1 WHERE sequence = 0 AND origin = ?2 AND piece = ?3"),
      trim_(db,
            "DELETE FROM __colony_conflicts WHERE (sequence, origin, piece, n) <= (SELECT sequence, origin, piece, n "
            "FROM __colony_conflicts WHERE sequence > 0 ORDER BY sequence DESC, origin DESC, piece DESC, n DESC "
            "LIMIT 1 OFFSET ?1) AND sequence > 0"),
      next_(
          db,
          "SELECT coalesce(max(n) + 1, 0) FROM __colony_conflicts WHERE sequence = ?1 AND origin = ?2 AND piece = ?3") {
}

void ConflictJournal::add(Sequence sequence, std::string_view origin, ChunkNumber chunk, Conflicts& conflicts,
                          std::int64_t rows_max) {
  const std::size_t kept = std::min(conflicts.size(), static_cast<std::size_t>(rows_max));
  const std::size_t first = conflicts.size() - kept;
  next_.bind(1, static_cast<std::int64_t>(sequence.value())).bind(2, origin);
  next_.bind(3, static_cast<std::int64_t>(chunk.value())).step();
  const std::int64_t begin = next_.integer(0);
  next_.reset();
  conflicts.for_each([&](std::size_t n, const Conflict& conflict) {
    if (n < first) return;
    insert_.bind(1, static_cast<std::int64_t>(sequence.value())).bind(2, origin);
    insert_.bind(3, static_cast<std::int64_t>(chunk.value())).bind(4, begin + static_cast<std::int64_t>(n));
    insert_.bind(5, std::string_view(to_string(conflict.kind))).bind(6, conflict.table);
    insert_.bind(7, conflict.key).bind(8, conflict.lost);
    insert_.run();
  });
}

void ConflictJournal::forget_pending(std::string_view origin, ChunkNumber chunk, bool keep_schema) {
  (keep_schema ? forget_rows_ : forget_).bind(1, origin).bind(2, static_cast<std::int64_t>(chunk.value())).run();
}

bool ConflictJournal::settle_pending(Sequence sequence, std::string_view origin, ChunkNumber chunk) {
  settle_.bind(1, static_cast<std::int64_t>(sequence.value())).bind(2, origin);
  settle_.bind(3, static_cast<std::int64_t>(chunk.value())).run();
  return sqlite3_changes(sqlite3_db_handle(settle_.handle())) > 0;
}

void ConflictJournal::trim(std::int64_t rows_max) { trim_.bind(1, rows_max).run(); }

}  // namespace colony
