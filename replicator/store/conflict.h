// The conflict journal: what lost when two nodes changed the same.
#pragma once

#include <string>
#include <vector>

#include "replicator/log/names.h"
#include "replicator/store/sqlite.h"

namespace colony {

enum class ConflictKind {
  kInsertExists,   // INSERT met a row of that key: the row's values were lost
  kUpdateDiffers,  // UPDATE met other values than it knew: those were lost
  kUpdateMissing,  // UPDATE met no row: its own values were lost
  kDeleteDiffers,  // DELETE met other values than it knew: the row was lost
  kDeleteMissing,  // DELETE met no row: nothing was lost
  kDisplaced,      // a row in the way of a unique index was lost
};

const char* to_string(ConflictKind kind);

struct Conflict {
  ConflictKind kind;
  std::string table;
  std::string key;   // a JSON object: column, value (json_row)
  std::string lost;  // likewise
};

// Where conflicts are kept: __colony_conflicts. Those of a transaction that is
// still pending stand under sequence 0: they may yet change.
class ConflictJournal {
 public:
  explicit ConflictJournal(Database& db);

  void add(Sequence sequence, std::string_view origin, PieceNumber piece, const std::vector<Conflict>& conflicts);

  // A pending transaction was undone; its conflicts are void.
  void forget_pending(std::string_view origin, PieceNumber piece);
  // A pending transaction was absorbed at `sequence`: so are its conflicts. False
  // if it has none.
  bool settle_pending(Sequence sequence, std::string_view origin, PieceNumber piece);

  // Keeps the latest `rows_max` settled conflicts.
  void trim(std::int64_t rows_max);

 private:
  Statement insert_, forget_, settle_, trim_;
};

}  // namespace colony
