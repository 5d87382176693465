// What `colony run` is told.
#pragma once

#include <chrono>
#include <cstdint>
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
  bool audits = false;              // in session mode (session_audit.h)
  // Where the colony keeps its snapshots (snapshot_store.h); empty: nowhere, and
  // then the log is never cut.
  std::string snapshot_url = "nats:";
  RetentionSettings retention;
  std::int64_t gone_after_s = std::chrono::seconds(kGoneAfter).count();
  // In which the nodes compare all their rows once, share by share; 0: this one does not ask.
  std::int64_t check_every_s = std::chrono::seconds(kCheckEvery).count();
};

}  // namespace colony
