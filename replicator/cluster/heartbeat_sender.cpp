#include "replicator/cluster/heartbeat_sender.h"

#include "replicator/log/error.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kHeartbeatEveryMin{1};

}  // namespace

HeartbeatSender::HeartbeatSender(const std::string& path, Heartbeat about_me, Status& status,
                                 DivergenceDetector& divergence, LoopProgress& loop_progress,
                                 ClusterStatusSettings cluster_status, std::function<void()> on_end)
    : db_(path, Database::Mode::kReadOnly),
      file_(db_),
      heartbeat_(std::move(about_me)),
      status_(status),
      divergence_(divergence),
      loop_progress_(loop_progress),
      cluster_status_(std::move(cluster_status)),
      on_end_(std::move(on_end)) {}

HeartbeatSender::~HeartbeatSender() {
  if (thread_.joinable()) thread_.join();
}

void HeartbeatSender::start() {
  thread_ = std::thread([this] { run(), on_end_(); });
}

void HeartbeatSender::stop() {
  stopping_ = true;
  if (asks_broker_) cluster_status_.interrupt();
  status_.end_waits();
}

void HeartbeatSender::run() {
  bool is_heard = false;
  while (!stopping_) {
    const StatusView view = status_.view();
    is_heard = heartbeat(view.state, view.state == State::kHalted ? view.message : "");
    status_.pause(kHeartbeatEveryMin);
    status_.await_other_state(view.state, kHeartbeatEvery - kHeartbeatEveryMin);
  }
  if (is_heard) heartbeat(State::kStopped, "");
}

// A file that cannot be read just now is as it was, and the node's state says so.
void HeartbeatSender::read_file() {
  try {
    const ReadTransaction one_moment(db_);
    heartbeat_.position = file_.position();
    heartbeat_.log_chain = file_.log_chain();
    heartbeat_.position_hash = file_.position_hash();
    heartbeat_.epoch = file_.epoch();
    heartbeat_.former_epochs = file_.former_epochs();
    heartbeat_.version_vector = version_vector_of(file_);
    heartbeat_.pending = file_.pending_transactions();
    heartbeat_.capture = to_string(capture_mode(db_));
    drift_ = CheckRecords(db_).drift_of_node(heartbeat_.node);
  } catch (const SqliteError&) {
    heartbeat_.held_by.clear();  // of what is not fresh nothing may be concluded
  }
}

// While the applier waits for the write lock, it does not ask how far the log is.
void HeartbeatSender::look_at_log() {
  if (!status_.view().lock_wait) return;
  const std::optional<Sequence> end = cluster_status_.log_end();
  if (end && *end > status_.view().log_head) status_.set_log_head(*end);
}

// Only who was there lately: a cluster status may remember a node that has begun anew.
void HeartbeatSender::hear_others() {
  constexpr std::chrono::seconds kLately = 4 * kHeartbeatEvery;
  const Heartbeats heartbeats = read_heartbeats(cluster_status_);
  for (const Heartbeat& heartbeat : heartbeats.heartbeats) {
    if (heartbeat.node == heartbeat_.node) continue;
    const bool is_lately = heartbeats.newest_ns - heartbeat.written_ns <= std::chrono::nanoseconds(kLately).count();
    if (heartbeat.log_chain && is_lately && heartbeat.epoch == heartbeat_.epoch) {
      divergence_.hear(heartbeat.node, {heartbeat.position, *heartbeat.log_chain});
    } else {
      divergence_.forget(heartbeat.node);
    }
  }
}

// False if the broker has not taken it.
bool HeartbeatSender::heartbeat(State state, const std::string& message) {
  loop_progress_.go_on_with("writing the heartbeat to the cluster status");
  // First: what is read after the node has halted before a hold stays as it is.
  heartbeat_.held_by = state == State::kHalted ? status_.held_by() : "";
  read_file();
  heartbeat_.state = to_string(state);
  heartbeat_.error = message;
  if (!drift_.empty() && state == State::kRunning) {
    heartbeat_.state = kDiffers;
    heartbeat_.error = to_text(drift_.front());
  }
  asks_broker_ = true;
  bool taken = false;
  try {
    look_at_log();
    heartbeat_.log_head = std::max(status_.view().log_head, heartbeat_.position);
    put_heartbeat(cluster_status_, heartbeat_);
    taken = true;
    hear_others();
    loop_progress_.rest();
  } catch (const Error&) {
  }
  asks_broker_ = false;
  return taken;
}

}  // namespace colony
