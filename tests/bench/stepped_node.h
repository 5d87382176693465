// A node without its threads: the very loops of the sidecar, stepped by hand over a
// log in memory.
#pragma once

#include <memory>
#include <string>

#include "replicator/apply/applier.h"
#include "replicator/apply/applier_reports.h"
#include "replicator/publish/publisher.h"
#include "tests/bench/memory_log.h"

namespace colony::bench {

class SteppedNode {
 public:
  // `path` is a file that `colony init` has made node `name`.
  SteppedNode(const std::string& path, const std::string& name, std::shared_ptr<MemoryLog::Messages> messages);

  // Everything that the log has.
  void absorb();
  // Until nothing is left to be sent or absorbed.
  void run();

  MemoryLog& log() { return log_; }

 private:
  MemoryLog log_;
  PublishPermit permit_;
  Status status_;
  ApplierReports reports_{permit_, status_};
  Publisher publisher_;
  Applier applier_;
};

}  // namespace colony::bench
