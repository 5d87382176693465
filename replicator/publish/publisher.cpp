#include "replicator/publish/publisher.h"

#include <algorithm>

#include "sqlite_ext/changeset.h"
#include "sqlite_ext/crash_step.h"

namespace colony {

Publisher::Publisher(const std::string& path, Log& log, PublishPermit& permit, Options options)
    : db_(path, Database::Mode::kReadWrite),
      file_(db_),
      schema_(db_),
      flush_(db_),
      log_(log),
      permit_(permit),
      options_(std::move(options)),
      loop_progress_(options_.loop_progress != nullptr ? *options_.loop_progress : own_loop_progress_) {
  db_.execute("PRAGMA query_only = ON");
}

void Publisher::enqueue(EntryBody body) {
  {
    const std::lock_guard lock(mutex_);
    control_.push_back(std::move(body));
  }
  permit_.work();
}

void Publisher::flush() {
  if (!options_.flushes) return;
  if (in_flight_.empty() && !hello_sent_) loop_progress_.begin(kFlushStep);
  flush_.run();
}

// With it, all that the outbox has now.
void Publisher::flush_up_to(ChunkNumber chunk) {
  if (chunk <= flushed_) return;
  const ChunkNumber end = file_.outbox_end();
  flush();
  flushed_ = end;
}

std::string Publisher::encoded(const EntryBody& body) { return encode_signed(file_, options_.key.get(), body); }

// After a new grant nothing is in flight, as far as anybody knows.
bool Publisher::begin_grant(const PublishPermit::View& view) {
  if (!view.granted) return false;
  if (view.grants != grant_) {
    grant_ = view.grants;
    failures_ = log_.publish_failures();
    sent_ = view.accepted;
    flushed_ = ChunkNumber();  // an earlier state of the file may have been written into it
    in_flight_.clear();
    in_flight_bytes_ = 0;
    hello_sent_.reset();
  }
  sent_ = std::max(sent_, view.accepted);
  if (log_.publish_failures() != failures_) {
    permit_.need_resync();
    return false;
  }
  return true;
}

bool Publisher::step() {
  const bool has_sent = send(permit_.view());
  // Sending is no progress: being taken by the log is.
  if (in_flight_.empty() && !hello_sent_) {
    loop_progress_.rest();
  } else {
    loop_progress_.go_on_with("waiting for the log to take what was sent");
  }
  return has_sent;
}

bool Publisher::send(const PublishPermit::View& view) {
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

bool Publisher::send_transactions(const PublishPermit::View& view) {
  while (!in_flight_.empty() && in_flight_.front().last <= view.accepted) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
    loop_progress_.advance();
  }
  if (!in_flight_.empty()) check_unanswered(in_flight_.front().sent);
  if (in_flight_bytes_ >= options_.in_flight_bytes_max) return false;

  const std::size_t room = std::min(options_.entry_bytes_max, view.entry_bytes_max);
  const std::size_t target = room > kEntryBytesMin ? room - kEntryBytesMin : 1;
  const std::vector<OutboxChunk> chunks = file_.outbox_after(sent_, target);
  if (chunks.empty()) return false;
  COLONY_STEP("publisher.read");
  if (chunks.front().chunk != sent_.next()) {
    // What stood between was absorbed meanwhile: this view of things is old.
    permit_.need_resync();
    return true;
  }
  // After the reading: whatever was captured of other tables is seen with their schema. The
  // applier says it.
  if (!schema_.is_agreed()) return false;
  TransactionsEntry entry;
  entry.first = chunks.front().chunk;
  for (const OutboxChunk& chunk : chunks) entry.chunks.push_back({chunk.last, chunk.shape, chunk.changeset});
  entry.changes_schema = changes_schema(chunks);
  const std::string bytes = encoded(entry);
  COLONY_STEP("publisher.encoded");
  if (chunks.back().flushed) flushed_ = std::max(flushed_, chunks.back().chunk);
  flush_up_to(chunks.back().chunk);
  log_.publish(bytes);
  COLONY_STEP("publisher.sent");
  sent_ = chunks.back().chunk;
  in_flight_.push_back({sent_, bytes.size(), options_.now()});
  in_flight_bytes_ += bytes.size();
  return true;
}

// Whether a transaction begins in these chunks that has more than rows.
bool Publisher::changes_schema(const std::vector<OutboxChunk>& chunks) {
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const std::string& changeset = chunks[i].changeset;
    if (!changeset.starts_with(kSchemaSection) && !changeset.starts_with(kNamesSection)) continue;
    if (i > 0 ? chunks[i - 1].last : begins_transaction(chunks[i].chunk)) return true;
  }
  return false;
}

// What comes before it has left the outbox as a whole, or ends there.
bool Publisher::begins_transaction(ChunkNumber chunk) {
  const std::optional<OutboxChunk> before = file_.outbox_chunk(ChunkNumber(chunk.value() - 1));
  return !before || before->last;
}

void Publisher::check_unanswered(Clock::time_point sent) {
  if (options_.now() - sent >= options_.unanswered_max) permit_.need_resync();
}

}  // namespace colony
