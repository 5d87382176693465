// How the node is, told to whom it matters: people, by the status and the log's lines, and
// the other nodes, by the cluster status; and what these say of the log that they read.
//
// Threads: looks after locks and stalls on the Asio loop, the main thread's; the heartbeat
// has a thread of its own. What the parts that it hands out allow is said there.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "replicator/cluster/divergence_detector.h"
#include "replicator/cluster/heartbeat_sender.h"
#include "replicator/sidecar/loops.h"
#include "replicator/sidecar/served_file.h"
#include "replicator/sidecar/sidecar_settings.h"
#include "replicator/status/state_reports.h"
#include "replicator/status/watchdog.h"

namespace colony {

class Reporting {
 public:
  static constexpr int kLoops = 1;  // the heartbeat

  // All must outlive it. Throws Error if the file has a sidecar already.
  Reporting(boost::asio::io_context& loop, const SidecarSettings& settings, ServedFile& file, Loops& loops);

  void start();
  // The heartbeat ends, and tells that the node does. Waited for by the destructor.
  void stop() { heartbeat_sender_.stop(); }

  Status& status() { return *status_; }
  StateReports& states() { return states_; }
  LoopProgresses& loops() { return progresses_; }
  DivergenceDetector& divergence() { return divergence_; }

 private:
  void keep_watch();

  ServedFile& file_;
  std::unique_ptr<Status> status_;
  LoopProgresses progresses_;
  Watchdog watchdog_;
  StateReports states_;
  DivergenceDetector divergence_;
  HeartbeatSender heartbeat_sender_;
  boost::asio::steady_timer watch_timer_;
};

}  // namespace colony
