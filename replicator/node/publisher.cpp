#include "replicator/node/publisher.h"

#include <algorithm>

#include "sqlite_ext/crash_step.h"

namespace colony {

Publisher::Publisher(const std::string& path, Log& log, Progress& progress, Options options)
    : db_(path, Database::Mode::kReadWrite),
      file_(db_),
      schema_(db_),
      flush_(db_),
      log_(log),
      progress_(progress),
      options_(std::move(options)),
      pulse_(options_.pulse != nullptr ? *options_.pulse : own_pulse_) {
  db_.execute("PRAGMA query_only = ON");
}

void Publisher::enqueue(EntryBody body) {
  {
    const std::lock_guard lock(mutex_);
    control_.push_back(std::move(body));
  }
  progress_.work();
}

void Publisher::flush() {
  if (!options_.flushes) return;
  if (in_flight_.empty() && !hello_sent_) pulse_.begin(kFlushStep);
  flush_.run();
}

// With it, all that the outbox has now.
void Publisher::flush_up_to(PieceNumber piece) {
  if (piece <= flushed_) return;
  const PieceNumber end = file_.outbox_end();
  flush();
  flushed_ = end;
}

std::string Publisher::encoded(const EntryBody& body) { return encode_signed(file_, options_.key.get(), body); }

// After a new grant nothing is in flight, as far as anybody knows.
bool Publisher::begin_grant(const Progress::View& view) {
  if (!view.granted) return false;
  if (view.grants != grant_) {
    grant_ = view.grants;
    failures_ = log_.publish_failures();
    sent_ = view.accepted;
    flushed_ = PieceNumber();  // an earlier state of the file may have been written into it
    in_flight_.clear();
    in_flight_bytes_ = 0;
    hello_sent_.reset();
  }
  sent_ = std::max(sent_, view.accepted);
  if (log_.publish_failures() != failures_) {
    progress_.need_resync();
    return false;
  }
  return true;
}

bool Publisher::step() {
  const bool has_sent = send(progress_.view());
  // Sending is no progress: being taken by the log is.
  if (in_flight_.empty() && !hello_sent_) {
    pulse_.rest();
  } else {
    pulse_.go_on_with("waiting for the log to take what was sent");
  }
  return has_sent;
}

bool Publisher::send(const Progress::View& view) {
  if (!begin_grant(view)) return false;
  if (!view.introduced) {
    if (hello_sent_) {
      check_unanswered(*hello_sent_);
      return false;
    }
    flush();
    log_.publish(encoded(options_.hello));
    COLONY_STEP("publisher.hello_sent");
    hello_sent_ = options_.now();
    return true;
  }
  hello_sent_.reset();
  return send_control() || send_transactions(view);
}

bool Publisher::send_control() {
  EntryBody body;
  {
    const std::lock_guard lock(mutex_);
    if (control_.empty()) return false;
    body = control_.front();
  }
  flush();
  log_.publish(encoded(body));
  COLONY_STEP("publisher.control_sent");
  const std::lock_guard lock(mutex_);
  control_.pop_front();  // only now: publishing may have failed
  return true;
}

bool Publisher::send_transactions(const Progress::View& view) {
  while (!in_flight_.empty() && in_flight_.front().last <= view.accepted) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
    pulse_.advance();
  }
  if (!in_flight_.empty()) check_unanswered(in_flight_.front().sent);
  if (in_flight_bytes_ >= options_.in_flight_bytes_max) return false;

  const std::size_t room = std::min(options_.entry_bytes_max, view.entry_bytes_max);
  const std::size_t target = room > kEntryBytesMin ? room - kEntryBytesMin : 1;
  const std::vector<OutboxPiece> pieces = file_.outbox_after(sent_, target);
  if (pieces.empty()) return false;
  COLONY_STEP("publisher.read");
  if (pieces.front().piece != sent_.next()) {
    // What stood between was absorbed meanwhile: this view of things is old.
    progress_.need_resync();
    return true;
  }
  // After the reading: whatever was captured of other tables is seen with their schema. The
  // applier says it.
  if (!schema_.is_agreed()) return false;
  TransactionsEntry entry;
  entry.first = pieces.front().piece;
  for (const OutboxPiece& piece : pieces) entry.pieces.push_back({piece.last, piece.shape, piece.changeset});
  const std::string bytes = encoded(entry);
  COLONY_STEP("publisher.encoded");
  if (pieces.back().flushed) flushed_ = std::max(flushed_, pieces.back().piece);
  flush_up_to(pieces.back().piece);
  log_.publish(bytes);
  COLONY_STEP("publisher.sent");
  sent_ = pieces.back().piece;
  in_flight_.push_back({sent_, bytes.size(), options_.now()});
  in_flight_bytes_ += bytes.size();
  return true;
}

void Publisher::check_unanswered(Clock::time_point sent) {
  if (options_.now() - sent >= options_.unanswered_max) progress_.need_resync();
}

}  // namespace colony
