#include "replicator/node/heartbeat.h"

#include "replicator/log/error.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kBeatEveryMin{1};

}  // namespace

Heartbeat::Heartbeat(const std::string& path, Beat about_me, Status& status, LogWitness& witness, Pulse& pulse,
                     BoardSettings board, std::function<void()> on_end)
    : db_(path, Database::Mode::kReadOnly),
      file_(db_),
      beat_(std::move(about_me)),
      status_(status),
      witness_(witness),
      pulse_(pulse),
      board_(std::move(board)),
      on_end_(std::move(on_end)) {}

Heartbeat::~Heartbeat() {
  if (thread_.joinable()) thread_.join();
}

void Heartbeat::start() {
  thread_ = std::thread([this] { run(), on_end_(); });
}

void Heartbeat::stop() {
  stopping_ = true;
  if (asks_broker_) board_.interrupt();
  status_.end_waits();
}

void Heartbeat::run() {
  bool is_heard = false;
  while (!stopping_) {
    const StatusView view = status_.view();
    is_heard = beat(view.state, view.state == State::kHalted ? view.message : "");
    status_.pause(kBeatEveryMin);
    status_.await_other_state(view.state, kBeatEvery - kBeatEveryMin);
  }
  if (is_heard) beat(State::kStopped, "");
}

// A file that cannot be read just now is as it was, and the node's state says so.
void Heartbeat::read_file() {
  try {
    const ReadTransaction one_moment(db_);
    beat_.position = file_.position();
    beat_.log_chain = file_.log_chain();
    beat_.position_hash = file_.position_hash();
    beat_.epoch = file_.epoch();
    beat_.former_epochs = file_.former_epochs();
    beat_.marks = marks_of(file_);
    beat_.pending = file_.pending_transactions();
    drift_ = CheckRecords(db_).drift_of_node(beat_.node);
  } catch (const SqliteError&) {
    beat_.held_by.clear();  // of what is not fresh nothing may be concluded
  }
}

// While the applier waits for the write lock, it does not ask how far the log is.
void Heartbeat::look_at_log() {
  if (!status_.view().lock_wait) return;
  const std::optional<Sequence> end = board_.log_end();
  if (end && *end > status_.view().log_head) status_.set_log_head(*end);
}

// Only who was there lately: a board may remember a node that has begun anew.
void Heartbeat::hear_others() {
  constexpr std::chrono::seconds kLately = 4 * kBeatEvery;
  const Beats beats = read_beats(board_);
  for (const Beat& beat : beats.beats) {
    if (beat.node == beat_.node) continue;
    const bool is_lately = beats.newest_ns - beat.written_ns <= std::chrono::nanoseconds(kLately).count();
    if (beat.log_chain && is_lately && beat.epoch == beat_.epoch) {
      witness_.hear(beat.node, {beat.position, *beat.log_chain});
    } else {
      witness_.forget(beat.node);
    }
  }
}

// False if the broker has not taken it.
bool Heartbeat::beat(State state, const std::string& message) {
  pulse_.go_on_with("telling the board how this node is");
  // First: what is read after the node has halted before a hold stays as it is.
  beat_.held_by = state == State::kHalted ? status_.held_by() : "";
  read_file();
  beat_.state = to_string(state);
  beat_.error = message;
  if (!drift_.empty() && state == State::kRunning) {
    beat_.state = kDiffers;
    beat_.error = to_text(drift_.front());
  }
  asks_broker_ = true;
  bool taken = false;
  try {
    look_at_log();
    beat_.log_head = std::max(status_.view().log_head, beat_.position);
    put_beat(board_, beat_);
    taken = true;
    hear_others();
    pulse_.rest();
  } catch (const Error&) {
  }
  asks_broker_ = false;
  return taken;
}

}  // namespace colony
