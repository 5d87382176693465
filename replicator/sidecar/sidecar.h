// The sidecar of one file: `colony run`, put together.
//
// The main thread runs Boost.Asio's loop: signals, and inotify on the
// write-ahead log, which tells of every commit of the app. A thread for the
// applier and one for the publisher are plain loops of blocking steps. A third
// answers barriers, and a fourth makes snapshots, so that neither waits for them. A
// fifth tells the colony's cluster status how the node is, and a sixth asks now and then whether
// all nodes have the same rows.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "replicator/broker/broker_settings.h"
#include "replicator/cluster/heartbeat.h"
#include "replicator/repair/checker.h"
#include "replicator/snapshots/retention.h"

namespace colony {

struct SidecarSettings {
  std::string database;
  BrokerSettings broker;
  std::string key_file;             // what it signs with; empty: nothing is signed
  int replicas = 1;                 // of the stream and the cluster status, if this node creates them
  bool flushes_before_send = true;  // what programs have committed (publisher.h)
  // Where the colony keeps its snapshots (snapshot_store.h); empty: nowhere, and
  // then the log is never cut.
  std::string snapshot_url = "nats:";
  RetentionSettings retention;
  std::int64_t gone_after_s = std::chrono::seconds(kGoneAfter).count();
  // In which the nodes compare all their rows once, share by share; 0: this one does not ask.
  std::int64_t check_every_s = std::chrono::seconds(kCheckEvery).count();
};

class Sidecar {
 public:
  // Throws Error if the file is no colony's, is a copy, or has a sidecar.
  explicit Sidecar(SidecarSettings settings);
  ~Sidecar();

  // Until SIGTERM or SIGINT; then ends the threads, and returns.
  void run();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace colony
