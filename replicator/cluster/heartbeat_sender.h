// Writes this node's heartbeat to the cluster status: every five seconds, and when its state
// changes, at most once a second. It also reads there which log the other nodes have read.
//
// It has its own thread, connection to the broker and connection to the file, so that it
// and the other loops never wait for each other. A missing broker is no error: it tries
// again the next time. At its end it writes `stopped`, if the broker takes that at once.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "replicator/broker/cluster_status.h"
#include "replicator/cluster/divergence_detector.h"
#include "replicator/cluster/heartbeat.h"
#include "replicator/compare/checks.h"
#include "replicator/status/loop_progress.h"
#include "replicator/status/status.h"

namespace colony {

class HeartbeatSender {
 public:
  // `about_me` has what does not change. `status`, `divergence detector` and `loop progress` must outlive this, and
  // `on_end` is called by the thread at its end. Throws Error, and SqliteError.
  HeartbeatSender(const std::string& path, Heartbeat about_me, Status& status, DivergenceDetector& divergence,
                  LoopProgress& loop_progress, ClusterStatusSettings cluster_status, std::function<void()> on_end);
  // Waits for the thread.
  ~HeartbeatSender();

  void start();
  // Any thread.
  void stop();

 private:
  void run();
  void read_file();
  void look_at_log();
  void hear_others();
  bool heartbeat(State state, const std::string& message);

  Database db_;
  NodeFile file_;
  Heartbeat heartbeat_;       // the latest
  std::vector<Drift> drift_;  // of this node
  Status& status_;
  DivergenceDetector& divergence_;
  LoopProgress& loop_progress_;
  ClusterStatus cluster_status_;
  std::function<void()> on_end_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> asks_broker_{false};
  std::thread thread_;
};

}  // namespace colony
