// The sidecar of one file: `colony run`, put together.
//
// The main thread runs Boost.Asio's loop: signals, and inotify on the
// write-ahead log, which tells of every commit of the app. A thread for the
// applier and one for the publisher are plain loops of blocking steps. A third
// answers barriers, and a fourth makes snapshots, so that neither waits for them.
#pragma once

#include <memory>
#include <string>

#include "replicator/node/retention.h"

namespace colony {

struct SidecarSettings {
  std::string database;
  std::string broker_urls;
  int replicas = 1;  // of the stream, if this node creates it
  // Where the colony keeps its snapshots (snapshot_store.h); empty: nowhere, and
  // then the log is never cut.
  std::string snapshot_url = "nats:";
  RetentionSettings retention;
  std::int64_t gone_after_s = 7 * 24 * 3600;
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

// `urls` without user names, passwords and tokens, fit to be shown.
std::string without_credentials(const std::string& urls);

}  // namespace colony
