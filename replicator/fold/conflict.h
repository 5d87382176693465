// The conflict journal: what lost when two nodes changed the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "replicator/log/names.h"
#include "replicator/store/sqlite.h"
#include "sqlite_ext/spill.h"

namespace colony {

enum class ConflictKind {
  kInsertExists,   // INSERT met a row of that key: the row's values were lost
  kUpdateDiffers,  // UPDATE met other values than it knew: those were lost
  kUpdateMissing,  // UPDATE met no row: its own values were lost
  kDeleteDiffers,  // DELETE met other values than it knew: the row was lost
  kDeleteMissing,  // DELETE met no row: nothing was lost
  kDisplaced,      // a row in the way of a unique index was lost
  kNoPlace,        // a row has values in columns that its table does not have, or has no table: those were lost
  kSchemaDiffers,  // a schema change met another one of the same object, and was lost
};

const char* to_string(ConflictKind kind);

struct Conflict {
  ConflictKind kind;
  std::string table;
  std::string key;   // a JSON object: column, value (json_row)
  std::string lost;  // likewise
};

// What a transaction collided with, in the order of its changes. They may be as many
// as its rows, so they are kept as bytes that spill.
class Conflicts {
 public:
  explicit Conflicts(SpillSettings spill = {}) : bytes_(std::move(spill)) {}

  void add(const Conflict& conflict);
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Conflict front();

  // truncate() goes back to a mark.
  struct Mark {
    std::size_t count, bytes;
  };
  Mark mark() const { return {count_, bytes_.size()}; }
  void truncate(const Mark& mark);

  // Calls visit(n, conflict) for each, in order.
  template <class Visit>
  void for_each(Visit&& visit) {
    std::string_view rest = bytes_.view();
    for (std::size_t n = 0; !rest.empty(); ++n) {
      visit(n, take(rest));
      bytes_.passed(bytes_.size() - rest.size());
    }
  }

 private:
  static Conflict take(std::string_view& rest);

  Spill bytes_;
  std::size_t count_ = 0;
};

// Where conflicts are kept: __colony_conflicts. Those of a transaction that is
// still pending stand under sequence 0: they may yet change.
class ConflictJournal {
 public:
  explicit ConflictJournal(Database& db);

  // Of one transaction's conflicts it takes the latest `rows_max`: trim() would leave
  // no more of them. They come after those that it has of the transaction already.
  void add(Sequence sequence, std::string_view origin, ChunkNumber chunk, Conflicts& conflicts, std::int64_t rows_max);

  // A pending transaction was undone; its conflicts are void, or those of its rows.
  void forget_pending(std::string_view origin, ChunkNumber chunk, bool keep_schema = false);
  // A pending transaction was absorbed at `sequence`: so are its conflicts. False
  // if it has none.
  bool settle_pending(Sequence sequence, std::string_view origin, ChunkNumber chunk);

  // Keeps the latest `rows_max` settled conflicts.
  void trim(std::int64_t rows_max);

 private:
  Statement insert_, forget_, forget_rows_, settle_, trim_, next_;
};

}  // namespace colony
