#include "replicator/wal/session_audit.h"

#include <map>
#include <unordered_set>
#include <utility>

#include "sqlite_ext/schema_change.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kBeginAgainAfter{5};

}  // namespace

SessionAudit::SessionAudit(const std::string& path, Listener listener, const std::optional<SpillSettings>& spill)
    : spill_(spill ? *spill : spill_beside(path.c_str())), listener_(std::move(listener)), pin_(path) {
  begin();
}

void SessionAudit::begin() {
  for (;;) {
    const WalEnd end = pin_.log().wait_for_end();
    pin_.open_next();
    if (pin_.log().end() != end) {
      pin_.drop_next();
      continue;
    }
    pin_.take_next();
    const std::optional<WalMark> mark = read_wal_mark(pin_.reader());
    follower_.emplace(pin_.log(), end, WalTables(pin_.reader(), pin_.log().format(), WalTables::Outbox::kWatched),
                      mark ? mark->number : 0, static_cast<TransactionSink&>(*this), spill_);
    return;
  }
}

void SessionAudit::lose(const std::string& why) {
  follower_.reset();
  late_.give_up_all();
  begin_again_ = std::chrono::steady_clock::now() + kBeginAgainAfter;
  ++counts_.begun_anew;
  if (listener_.on_lost) listener_.on_lost(why);
}

bool SessionAudit::read(std::size_t frames_max) {
  try {
    if (!follower_) {
      if (std::chrono::steady_clock::now() < begin_again_) return true;
      begin();
    }
    const std::optional<WalEnd> end = pin_.log().end();
    return end && read_to(*end, frames_max);
  } catch (const std::exception& error) {
    lose(error.what());
    return true;
  }
}

bool SessionAudit::is_settled(std::size_t frames_max) { return read(frames_max) && !has_work(); }

bool SessionAudit::read_to(const WalEnd& end, std::size_t frames_max) {
  for (;;) {
    const FrameNumber from = end.salt == follower_->salt() ? follower_->frame() : 0;
    const WalFollower::Stop stop =
        follower_->read(end, frames_max, [this](const WalMark&, FrameNumber last, bool changes_tables) {
          return tables_after_own(last, changes_tables);
        });
    frames_read_ += follower_->frame() - from;
    if (stop != WalFollower::Stop::kSchemaChange) return stop == WalFollower::Stop::kEnd;
    WrittenPages written;
    follower_->pages().next(end.frame, written);
    WalTables after = follower_->tables().after(follower_->pages(), written);
    follower_->take_with_schema(written, std::move(after));
    ++frames_read_;
  }
}

// What it has changed is known to those who get the outbox, or is the log's.
std::optional<WalTables> SessionAudit::tables_after_own(FrameNumber last, bool changes_tables) {
  late_.give_up_all();
  if (!changes_tables) return std::nullopt;
  WrittenPages written;
  follower_->pages().next(last, written);
  return follower_->tables().after(follower_->pages(), written);
}

void SessionAudit::take(const Transaction& transaction) {
  WalTables& tables = transaction.tables;
  if (transaction.after != nullptr) {
    for (TreeNumber tree = WalTables::kFirst; tree < tables.end(); ++tree) {
      if (!tables.stays(tree, *transaction.after)) late_.give_up(tables.table(tree).header.name);
    }
  }
  const bool has_outbox = tables.outbox() != 0 && transaction.changes.concerns(tables.outbox());
  if (transaction.rows.tables().empty() && !has_outbox) return;
  Spill pages(spill_);
  transaction.rows.write([&](std::string& bytes) {
    pages.append(bytes);
    bytes.clear();
  });
  Queued queued = has_outbox ? queued_in(transaction) : Queued{Spill(spill_), {}, {}};
  const LateCapture::Findings findings =
      late_.take({pages, split_schema(queued.changeset).rows, queued.first, queued.last, transaction.after != nullptr},
                 [&](const std::string& name) {
                   const TreeNumber tree = tables.tree(name);
                   return tree != 0 && tables.is_replicated(tree) &&
                          (transaction.after == nullptr || tables.stays(tree, *transaction.after));
                 });
  ++counts_.transactions;
  for (const auto& [table, finding] : findings) {
    counts_.rows += finding.not_in_outbox;
    if (listener_.on_found) listener_.on_found(table, finding);
  }
}

// Chunks that only went to another page were there before.
SessionAudit::Queued SessionAudit::queued_in(const Transaction& transaction) {
  const TreeNumber tree = transaction.tables.outbox();
  std::unordered_set<std::int64_t> known;
  transaction.changes.for_each(tree, [&](TreeNumber, const StoredRow* before, const StoredRow*) {
    if (before != nullptr) known.insert(before->rowid);
  });
  Spill chunks(spill_);
  std::map<std::int64_t, std::pair<std::size_t, std::size_t>> places;  // by chunk number
  transaction.changes.for_each(tree, [&](TreeNumber, const StoredRow*, const StoredRow* after) {
    if (after == nullptr || known.contains(after->rowid)) return;
    if (!transaction.tables.decoder(tree).decode(*after, row_)) return;
    const std::string_view chunk = row_.values[3].bytes();
    places[after->rowid] = {chunks.size(), chunk.size()};
    chunks.append(chunk);
  });
  Queued queued{Spill(spill_), {}, {}};
  if (places.empty()) return queued;
  queued.first = ChunkNumber(static_cast<std::uint64_t>(places.begin()->first));
  queued.last = ChunkNumber(static_cast<std::uint64_t>(places.rbegin()->first));
  const std::string_view all = chunks.view();
  for (const auto& [chunk, place] : places) queued.changeset.append(all.substr(place.first, place.second));
  return queued;
}

// Under the write lock nothing comes on top of what was read.
void SessionAudit::settle(Database& db) {
  if (!has_work()) return;
  LateCapture::Written written;
  {
    WriteTransaction transaction(db);
    while (!read()) continue;
    if (!has_work()) return;
    NodeFile file(db);
    written = late_.write(db, file);
    count_own_transaction(db);
    transaction.commit();
    late_.clear();
  }
  if (listener_.on_captured) listener_.on_captured(written);
}

void SessionAudit::move_pin() {
  if (!follower_) return;
  const std::optional<WalEnd> end = pin_.log().end();
  if (end && end->salt == follower_->salt() && end->frame == follower_->frame()) pin_.move_to(*end);
}

FrameNumber SessionAudit::log_frames() const {
  const std::optional<WalEnd> end = pin_.log().end();
  return end ? end->frame : 0;
}

}  // namespace colony
