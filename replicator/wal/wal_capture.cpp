#include "replicator/wal/wal_capture.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "replicator/store/file_layout.h"
#include "replicator/store/noted_schema.h"
#include "replicator/wal/wal_schema_change.h"
#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/outbox_writer.h"

namespace colony {
namespace {

// The end of the transaction after frame `base`, if that has written `mark`.
std::optional<FrameNumber> end_of_marked(const WalLog& log, FrameNumber base, const WalEnd& end, const WalMark& mark) {
  const std::string text = to_text(mark);
  bool is_marked = false;
  std::string page;
  for (FrameNumber frame = base + 1; frame <= end.frame; ++frame) {
    WalFrame header;
    if (!log.read_frame(frame, header) || !log.read_frame_page(frame, page)) break;
    is_marked |= page.find(text) != page.npos;
    if (header.database_pages != 0) return is_marked ? std::optional(frame) : std::nullopt;
  }
  return std::nullopt;
}

// PRAGMA schema_version as of that frame: in the database's header.
std::int64_t schema_version_at(const WalLog& log, FrameNumber frame) {
  constexpr std::size_t kAt = 40, kBytes = 4;
  std::string page;
  for (WalFrame header; frame > 0 && log.read_frame(frame, header); --frame) {
    if (header.page == 1 && log.read_frame_page(frame, page)) break;
  }
  std::string bytes = page.size() < kAt + kBytes ? std::string() : page.substr(kAt, kBytes);
  if (bytes.empty()) log.read_database(kAt, kBytes, bytes);
  std::uint32_t version = 0;
  for (const char byte : bytes) version = version << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int32_t>(version);
}

bool is_at(const WalLog& log, const WalMark& mark) {
  if (mark.end.frame == 0) return true;
  WalFrame frame;
  return log.read_frame(mark.end.frame, frame) && frame.salt == mark.end.salt && frame.checksum == mark.end.checksum;
}

}  // namespace

WalCapture::WalCapture(const std::string& path, const std::optional<SpillSettings>& spill)
    : spill_(spill ? *spill : spill_beside(path.c_str())), pin_(path), captured_(spill_) {}

WalCapture::~WalCapture() = default;

void WalCapture::forget() {
  follower_.reset();
  captured_.clear();
  schema_change_waits_ = false;
  pin_.unlock_checkpoints();
}

void WalCapture::follow(std::uint64_t but_not_at) {
  forget();
  pin_.lock_checkpoints();
  try {
    pin_.open_next();
    pin_.take_next();
    const std::optional<WalMark> mark = read_wal_mark(pin_.reader());
    if (!mark) throw WalLost("the file does not say how far its write-ahead log is captured");
    if (mark->number == but_not_at) throw WalLost("what follows the file's mark could not be read");
    const WalEnd end = pin_.log().wait_for_end();
    const WalEnd base{end.salt, find_base(*mark, end), {}};
    mark_ = *mark;
    pin_has_other_schema_ = base.frame != end.frame;  // for all that is known
    begin_at(base);
    COLONY_STEP("wal_capture.follows");
  } catch (...) {
    forget();
    pin_.close();  // what was missed is found otherwise: programs can copy the log
    throw;
  }
}

// The state from which on nothing is captured: that after Colony's own transaction of this mark,
// which comes first after it. The log may have been begun anew with that.
FrameNumber WalCapture::find_base(const WalMark& mark, const WalEnd& end) {
  const WalLog& log = pin_.log();
  std::optional<FrameNumber> base;
  if (end.salt == mark.end.salt) {
    if (is_at(log, mark)) base = end_of_marked(log, mark.end.frame, end, mark);
  } else {
    base = end_of_marked(log, 0, end, mark);
  }
  if (!base) throw WalLost("the write-ahead log was begun anew while nobody captured");
  if (*base < end.frame && log.written_back_at_most() > *base) {
    throw WalLost("the write-ahead log was copied into the database while nobody captured");
  }
  return *base;
}

Database& WalCapture::follow_from_here() {
  forget();
  for (;;) {
    const WalEnd end = pin_.log().wait_for_end();
    pin_.open_next();
    if (pin_.log().end() == end) {
      pin_.take_next();
      const std::optional<WalMark> mark = read_wal_mark(pin_.reader());
      if (mark) mark_ = *mark;
      pin_has_other_schema_ = false;
      begin_at(end);
      return pin_.reader();
    }
    pin_.drop_next();
  }
}

// The pin sees the tables that there are there.
void WalCapture::begin_at(const WalEnd& base) {
  follower_.emplace(pin_.log(), base, WalTables(pin_.reader(), pin_.log().format()), mark_.number, captured_, spill_);
  follower_->set_names_columns(
      pin_.reader().query_integer("SELECT value FROM __colony_meta WHERE key = 'unconfirmed'") != 0);
}

WalFollower::Stop WalCapture::read(const WalEnd& end, std::size_t frames_max) {
  if (!follower_) throw WalLost("the write-ahead log is not followed");
  try {
    const WalFollower::Stop stop = follower_->read(
        end, frames_max,
        [this](const WalMark& mark, FrameNumber last, bool changes) { return take_own(mark, last, changes); });
    schema_change_waits_ = stop == WalFollower::Stop::kSchemaChange;
    return stop;
  } catch (...) {
    forget();
    throw;
  }
}

// Another process of Colony's has captured all that was before its transaction. The tables are those
// after it while nobody else has changed the schema.
std::optional<WalTables> WalCapture::take_own(const WalMark& mark, FrameNumber last, bool changes_tables) {
  if (mark.number != mark_.number) captured_.clear();
  mark_ = mark;
  if (!changes_tables) return std::nullopt;
  if (own_tables_ && own_tables_->mark == mark.number) return own_tables_->tables;
  const bool was_open = pin_.has_next();
  pin_.open_next();
  const std::optional<WalEnd> end = pin_.log().end();
  std::optional<WalTables> tables;
  if (end && end->salt == follower_->salt() &&
      (end->frame == last ||
       pin_.next_reader().query_integer("PRAGMA schema_version") == schema_version_at(pin_.log(), last))) {
    tables.emplace(pin_.next_reader(), pin_.log().format());
  }
  if (!was_open) pin_.drop_next();
  if (!tables) throw WalLost("another process of Colony's has changed the schema, and programs have gone on");
  return tables;
}

bool WalCapture::read_ahead(std::size_t frames_max) {
  const std::optional<WalEnd> end = pin_.log().end();
  return end && read(*end, frames_max) != WalFollower::Stop::kFrames;
}

FrameNumber WalCapture::log_frames() const {
  const std::optional<WalEnd> end = pin_.log().end();
  return end ? end->frame : 0;
}

bool WalCapture::should_mark() const {
  if (!follower_) return false;
  const std::optional<WalEnd> end = pin_.log().end();
  return pin_.locks_checkpoints() || (end && end->salt != mark_.end.salt);
}

void WalCapture::move_pin() {
  if (!follower_ || has_work()) return;
  pin_.unlock_checkpoints();
  move_pin_to_what_is_read();
}

void WalCapture::move_pin_to_what_is_read() {
  if (!follower_) return;
  const std::optional<WalEnd> end = pin_.log().end();
  if (end && end->salt == follower_->salt() && end->frame == follower_->frame())
    pin_has_other_schema_ &= !pin_.move_to(*end);
  COLONY_STEP("wal_capture.pin_moved");
}

// What a schema change was before is still to be read. Whatever fails, whoever comes next meets it.
void WalCapture::make_way() noexcept {
  try {
    if (follower_ && read_ahead(~std::size_t{0}) && !schema_change_waits_) move_pin_to_what_is_read();
  } catch (...) {
  }
}

WalCapture::WriteLock::WriteLock(WalCapture& capture, std::chrono::milliseconds patience) : pin_(capture.pin_) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (int tries = 1; !(is_held_ = pin_.try_lock_writers()) && std::chrono::steady_clock::now() < end; ++tries) {
    if (tries % Database::kInsistently != 0) continue;
    capture.make_way();
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

WalCapture::WriteLock::~WriteLock() {
  if (is_held_) pin_.unlock_writers();
}

WalCapture::Turn::Turn(WalCapture& capture, Database& db, Begin begin, std::size_t frames_max)
    : capture_(capture), pin_(capture.pin_), db_(db), begin_(begin) {
  end_ = capture_.pin_.log().wait_for_end();
  schema_version_ = db_.query_integer("PRAGMA schema_version");
  if (begin_ == Begin::kGoesOn) capture_rest(frames_max);
  COLONY_STEP("wal_capture.queued");
}

WalCapture::Turn::~Turn() = default;

void WalCapture::Turn::capture_rest(std::size_t frames_max) {
  const WalFollower::Stop stop = capture_.read(end_, frames_max);
  if (stop == WalFollower::Stop::kFrames) throw TooMuchToRead();
  if (!capture_.captured_.empty()) {
    OutboxWriter outbox(db_.handle(), "main");
    capture_.captured_.write(outbox);
  }
  has_schema_change_ = stop == WalFollower::Stop::kSchemaChange;
  if (!has_schema_change_) return;
  if (capture_.pin_has_other_schema_) {
    capture_.forget();
    throw WalLost("a program has changed the schema, and what it was before cannot be read any more");
  }
  queue_schema_change(*capture_.follower_, end_, capture_.pin_.reader(), db_);
  COLONY_STEP("wal_capture.schema_queued");
}

void WalCapture::Turn::before_commit(Tables tables) {
  const bool may_be_others = tables == Tables::kMayBeOthers || has_schema_change_ ||
                             db_.query_integer("PRAGMA schema_version") != schema_version_;
  if (may_be_others) tables_.emplace(db_, capture_.pin_.log().format());
  if (capture_mode(db_) != CaptureMode::kWal) return;  // from now on
  const std::optional<WalMark> before = read_wal_mark(db_);
  mark_ = {std::max(before ? before->number : 0, capture_.mark_.number) + 1, end_};
  write_wal_mark(db_, mark_);
  note_schema(db_);
}

void WalCapture::Turn::committed() {
  COLONY_STEP("wal_capture.committed");
  capture_.pin_.take_next();
  capture_.captured_.clear();
  capture_.mark_ = mark_;
  if (begin_ == Begin::kHere) {
    capture_.follower_.reset();
    return;
  }
  if (has_schema_change_) capture_.follower_->skip_to(end_, *tables_);
  capture_.schema_change_waits_ = false;
  capture_.pin_.unlock_checkpoints();
  capture_.pin_has_other_schema_ = tables_.has_value();
  if (!tables_) return;
  capture_.own_tables_ = OwnTables{mark_.number, std::move(*tables_)};
  if (capture_.read_ahead(~std::size_t{0})) capture_.move_pin();
}

}  // namespace colony
