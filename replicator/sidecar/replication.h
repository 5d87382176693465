// What keeps the file in step with the log: the connection to it, the applier, the
// publisher, and whoever answers in the log what others ask in it.
//
// Threads: one for the applier, one for the publisher, one for the proofs.
#pragma once

#include <memory>
#include <thread>

#include "replicator/apply/applier_reports.h"
#include "replicator/apply/proof_worker.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/sidecar/applier_loop.h"
#include "replicator/sidecar/publisher_loop.h"
#include "replicator/sidecar/reporting.h"

namespace colony {

class Replication {
 public:
  static constexpr int kLoops = 2;  // the applier's and the publisher's

  // All but the key must outlive it. `key` is what entries are signed with; null: they are
  // not. Throws Error, and SqliteError.
  Replication(const SidecarSettings& settings, ServedFile& file, std::shared_ptr<const SigningKey> key,
              Reporting& reporting, Loops& loops);

  void start();
  // Cuts short what the two loops are at, so that they see that they are to end.
  void stop();
  // Once they have.
  void join();

  // Programs may have committed something. Any thread.
  void look_at_outbox() { permit_.work(); }
  // An entry that is to be sent before the next transactions. Any thread.
  void send(EntryBody entry) { publisher_.enqueue(std::move(entry)); }

 private:
  ApplierReports::Listeners listeners(Reporting& reporting);

  Loops& loops_;
  JetStreamLog log_;
  PublishPermit permit_;
  Publisher publisher_;
  ProofWorker proofs_;
  ApplierReports reports_;
  Applier applier_;
  SnapshotCatchUp snapshot_catch_up_;
  ApplierLoop applier_loop_;
  PublisherLoop publisher_loop_;
  std::thread applying_, publishing_;
};

}  // namespace colony
