#include "replicator/wal/own_transaction.h"

#include <chrono>
#include <thread>
#include <utility>

#include "replicator/fold/fold.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

std::unique_lock<std::mutex> lock_of(WalCapture* capture) {
  return capture == nullptr ? std::unique_lock<std::mutex>() : std::unique_lock(capture->mutex());
}

// Whoever has the write lock may be at a checkpoint that waits for the pin.
WriteTransaction begun(Database& db, WalCapture* capture) {
  constexpr int kMakeWayAfterMs = 20;
  struct MakingWay {
    MakingWay(Database& waiting, WalCapture* capture) : db(waiting) {
      if (capture == nullptr) return;
      db.do_while_waiting([capture](int waited_ms) {
        if (waited_ms >= kMakeWayAfterMs) capture->make_way();
      });
    }
    ~MakingWay() { db.do_while_waiting(nullptr); }
    MakingWay(const MakingWay&) = delete;
    MakingWay& operator=(const MakingWay&) = delete;
    Database& db;
  };
  const MakingWay making_way(db, capture);
  return WriteTransaction(db);
}

constexpr std::size_t kFramesAtOnce = 5000;
constexpr std::chrono::seconds kPatience{3};
constexpr std::chrono::milliseconds kPause{10};
constexpr int kPauseMax_ms = 2;

// In slices, between which others can have the capture.
void read_ahead(WalCapture& capture) {
  for (bool done = false; !done;) {
    const std::lock_guard alone(capture.mutex());
    done = !capture.follows() || capture.read_ahead(kFramesAtOnce);
  }
}

// Whether all that `reader` sees was captured and queued, and that by what it sees, too. The
// mutex is held since before its transaction began.
bool is_captured(Database& reader, WalCapture& capture) {
  if (!capture.follows()) return false;
  if (!capture.read_ahead(~std::size_t{0}) || capture.has_work()) return false;
  const std::optional<WalMark> mark = read_wal_mark(reader);
  return mark && mark->number == capture.mark_number();
}

bool begins_captured(Database& reader, WalCapture& capture) {
  begin_read(reader, {});
  COLONY_STEP("wal_capture.read_begins");
  if (is_captured(reader, capture)) return true;
  reader.execute("ROLLBACK");
  return false;
}

void check_can_go_on(WalCapture& capture) {
  capture.read_ahead(~std::size_t{0});
  if (capture.lacks_former_schema()) throw WalLost("a program has changed the schema");
  capture.move_pin();
}

// A running sidecar captures it; should none be there, whoever asks does.
void leave_schema_changes_to_a_sidecar(WalCapture& capture) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    read_ahead(capture);
    const std::lock_guard alone(capture.mutex());
    if (!capture.has_schema_change()) return;
    std::this_thread::sleep_for(kPause);
  } while (std::chrono::steady_clock::now() < end);
}

void begin_captured_read_of(const std::string& path, Database& reader, WalCapture& capture,
                            const std::function<bool()>& go_on) {
  Database writer = open_for_fold(path);
  writer.execute("PRAGMA wal_autocheckpoint = 0");
  writer.wait_for_locks([&](int) { return go_on(); }, kPauseMax_ms, Database::kInsistently);
  begin_captured_read(reader, writer, &capture);
}

}  // namespace

OwnTransaction::OwnTransaction(Database& db, WalCapture* capture, Begin begin, std::size_t frames_max)
    : db_(db), alone_(lock_of(capture)), transaction_(begun(db, capture)) {
  if (capture != nullptr) turn_.emplace(*capture, db, begin, frames_max);
}

void OwnTransaction::commit(Tables tables) {
  if (turn_) {
    turn_->before_commit(tables);
  } else {
    count_own_transaction(db_);
  }
  transaction_.commit();
  if (turn_) turn_->committed();
}

// A running sidecar captures soon what keeps another process from going on at the mark.
std::unique_ptr<WalCapture> capture_of(const std::string& path, std::chrono::milliseconds patience) {
  {
    Database db(path, Database::Mode::kReadOnly);
    if (!has_layout(db) || capture_mode(db) != CaptureMode::kWal) return nullptr;
  }
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    try {
      auto capture = std::make_unique<WalCapture>(path);
      const std::lock_guard alone(capture->mutex());
      capture->follow();
      check_can_go_on(*capture);
      return capture;
    } catch (const WalLost& lost) {
      if (std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kPause);
        continue;
      }
      throw NotCaptured(path + ": programs may have committed what nobody has captured yet (" + lost.what() +
                        "): let colony run catch up on this file first");
    }
  }
}

// After a commit programs may be faster than the reader: then again.
void begin_captured_read(Database& reader, Database& writer, WalCapture* capture) {
  if (capture == nullptr) return begin_read(reader, {});
  for (;;) {
    read_ahead(*capture);
    {
      const std::lock_guard alone(capture->mutex());
      if (begins_captured(reader, *capture)) return;
    }
    OwnTransaction transaction(writer, capture);
    if (capture->has_work()) transaction.commit();
    if (begins_captured(reader, *capture)) return;
  }
}

BeginRead captured_reads(const std::string& path, WalCapture* capture, std::function<bool()> go_on) {
  if (capture == nullptr) return {};
  return [path, capture, go_on = std::move(go_on)](Database& reader) {
    begin_captured_read_of(path, reader, *capture, go_on);
  };
}

BeginRead captured_reads(const std::string& path, std::function<bool()> go_on) {
  return [path, go_on = std::move(go_on)](Database& reader) {
    const std::unique_ptr<WalCapture> capture = capture_of(path);
    if (!capture) return begin_read(reader, {});
    leave_schema_changes_to_a_sidecar(*capture);
    begin_captured_read_of(path, reader, *capture, go_on);
  };
}

}  // namespace colony
