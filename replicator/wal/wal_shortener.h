// Lets the write-ahead log be begun anew before programs find it long enough to copy it into the
// database themselves: each commit of theirs would try, in vain, because the pin is always a
// little behind them.
//
// Most of the log is copied beside the programs, and what is captured is queued. Then, while nobody can
// commit, the rest is copied, and the pin moves to a state that needs no page of the log. Once nobody
// else reads the log either, the next commit begins it anew. Beside a program that never pauses, what
// it has committed last is only read then, and queued right after; if this process is killed before,
// what was missed must be found by comparison.
//
// Threads: one at a time. Errors: those of OwnTransaction.
#pragma once

#include "replicator/wal/own_transaction.h"

namespace colony {

class WalShortener {
 public:
  // Both must outlive it. `db` has no transaction open during the calls.
  WalShortener(const std::string& path, Database& db, WalCapture& capture);

  // Does nothing to a log that is short.
  void look();

 private:
  bool copy();
  void queue_rest();
  void begin_anew();

  Database& db_;
  WalCapture& capture_;
  Database copier_;
};

}  // namespace colony
