// Keeps the log from growing for ever: makes snapshots when they are due, and cuts
// off what they cover. Each node's sidecar has one; a lease on the colony's cluster status
// says whose turn it is, and if two should believe that at once, nothing is lost:
// there is one snapshot more.
//
// Threads: one of its own, and connections of its own; neither the applier nor the
// publisher ever waits for it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "replicator/broker/broker_settings.h"
#include "replicator/snapshots/retention.h"
#include "replicator/status/loop_progress.h"
#include "replicator/wal/own_transaction.h"

namespace colony {

struct HousekeepingSettings {
  std::string database;
  std::string cluster;
  std::string node;
  BrokerSettings broker;
  int replicas = 1;
  std::string snapshot_url = "nats:";  // empty: neither snapshots nor cuts
  RetentionSettings retention;
  // Whether this node has found the log to be its own and goes on with it: one that
  // doubts the log must not cut it.
  std::function<bool()> is_sound;
  // What keeps snapshots from being made; empty when nothing does any more.
  std::function<void(const std::string& trouble)> on_trouble;
  std::int64_t gone_after_s = 7 * 24 * 3600;
  LoopProgress* loop_progress = nullptr;  // told what it does; must outlive it
  WalCapture* capture = nullptr;          // of a file in wal mode; must outlive it
};

class Housekeeper {
 public:
  // Starts the thread. Throws Error on a malformed URL.
  explicit Housekeeper(HousekeepingSettings settings);
  // Gives up what it is at.
  ~Housekeeper();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace colony
