#include "replicator/repair/expected_rows.h"

#include <algorithm>
#include <utility>

#include "replicator/apply/rebase.h"
#include "replicator/repair/added_columns.h"
#include "replicator/snapshots/log_replay.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

constexpr std::size_t kOutboxSliceBytes = 4u << 20;

Database opened(const std::string& base) {
  {
    Database db(base, Database::Mode::kReadWrite);
    upgrade_layout(db);
  }
  Database db = open_for_fold(base);
  db.execute("PRAGMA synchronous = OFF");  // nobody needs it after a power cut
  return db;
}

}  // namespace

ExpectedRows::ExpectedRows(const std::string& base, Database& of, Log* log, GoOn go_on)
    : of_(of),
      log_(log),
      go_on_(std::move(go_on)),
      db_(opened(base)),
      records_(db_),
      fold_(db_, schema_),
      journal_(db_) {
  schema_.load(db_);
  fold_.schema_changed();
}

ExpectedRows::~ExpectedRows() = default;

void ExpectedRows::follow(NodeFile& of) {
  const Sequence target = of.position();
  if (!is_at(target)) {
    take_off_pending();
    if (target < records_.position()) throw Error("the file was put back to an earlier state meanwhile: try again");
    if (log_ == nullptr) {
      throw Error("without the log there is only the snapshot at " + std::to_string(records_.position().value()) +
                  ", and this file is at " + std::to_string(target.value()) + ": say by --nats where the log is");
    }
    replay(target);
  }
  check_is_of_same_log(of);
  put_on_pending(of);
}

// Columns may have been added by hand, on each node.
void ExpectedRows::replay(Sequence target) {
  try {
    replay_log(db_.path(), *log_, target, go_on_);
  } catch (const Interrupted&) {
    throw;
  } catch (const LogUnavailable&) {
    throw;
  } catch (const Error&) {
    add_missing_columns(db_.path(), of_);
    replay_log(db_.path(), *log_, target, go_on_);
  }
}

void ExpectedRows::check_is_of_same_log(NodeFile& of) {
  if (records_.epoch() == of.epoch() && records_.position_hash() == of.position_hash()) return;
  throw Error(
      "the log is another one than this file has absorbed, so that it cannot tell what the rows must be: see What to "
      "do "
      "when the broker has forgotten, in docs/operations.md");
}

void ExpectedRows::take_off_pending() {
  if (!db_.in_transaction()) return;
  db_.execute("ROLLBACK");
  if (!schema_.is_current(db_)) schema_.forget();  // another one may get its version
  pending_.clear();
}

void ExpectedRows::put_on_pending(NodeFile& of) {
  if (!db_.in_transaction()) {
    if (!of.is_unconfirmed()) add_missing_columns(db_.path(), of_);
    if (schema_.refresh(db_)) fold_.schema_changed();
    db_.execute("BEGIN IMMEDIATE");
    records_.set_identity(of.identity().node, of.identity().incarnation, {});
    records_.set_absorbed(of.absorbed());
  }
  Rebase rebase(records_, fold_, schema_, journal_, pending_);
  try {
    rebase.put_on_top(copy_outbox(of));
  } catch (const SchemaMismatch& mismatch) {
    throw Error(std::string("a pending transaction ") + mismatch.what() +
                ", and the snapshot is older than that: run colony snapshot on another node, and try again when this "
                "one has come as far");
  }
}

// What has become pending since the last time.
std::set<ChunkNumber> ExpectedRows::copy_outbox(NodeFile& of) {
  std::set<ChunkNumber> transactions;
  Statement insert(db_, "INSERT INTO __colony_outbox(piece, last, shape, changeset) VALUES(?1, ?2, ?3, ?4)");
  std::optional<ChunkNumber> first;
  for (ChunkNumber end = pending_.end();;) {
    const std::vector<OutboxChunk> chunks = of.outbox_after(end, kOutboxSliceBytes);
    if (chunks.empty()) return transactions;
    for (const OutboxChunk& chunk : chunks) {
      insert.bind(1, static_cast<std::int64_t>(chunk.chunk.value())).bind(2, std::int64_t{chunk.last});
      insert.bind(3, static_cast<std::int64_t>(chunk.shape)).bind_blob(4, chunk.changeset).run();
      if (!first) first = chunk.chunk;
      if (!chunk.last) continue;
      pending_.add(*first, chunk.chunk, {});
      transactions.insert(chunk.chunk);
      first.reset();
    }
    end = chunks.back().chunk;
  }
}

}  // namespace colony
