// What keeps the file in step with the log: the connection to it, the applier, the
// publisher, and whoever answers in the log what others ask in it.
//
// Threads: one for the applier, one for the publisher, one for the proofs, and one that captures in wal
// mode, or watches that all is captured in session mode.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "replicator/apply/applier_reports.h"
#include "replicator/apply/proof_worker.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/repair/start_comparison.h"
#include "replicator/sidecar/applier_loop.h"
#include "replicator/sidecar/audit_loop.h"
#include "replicator/sidecar/capture_loop.h"
#include "replicator/sidecar/publisher_loop.h"
#include "replicator/sidecar/reporting.h"

namespace colony {

class Replication {
 public:
  static constexpr int kLoops = 3;  // the applier's, the publisher's, and the capture's or the audit's

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
  void look_at_outbox();
  // An entry that is to be sent before the next transactions. Any thread.
  void send(EntryBody entry) { publisher_.enqueue(std::move(entry)); }

  // Null in session mode. For who reads the file as a whole.
  WalCapture* capture() { return capture_.get(); }

 private:
  ApplierReports::Listeners listeners(Reporting& reporting);
  void keep_captured();
  bool goes_on_at_mark();
  void capture_what_was_missed();

  Loops& loops_;
  std::unique_ptr<WalCapture> capture_;  // in wal mode
  JetStreamLog log_;
  PublishPermit permit_;
  Publisher publisher_;
  ProofWorker proofs_;
  ApplierReports reports_;
  std::unique_ptr<SessionAudit> audit_;  // in session mode
  Applier applier_;
  SnapshotCatchUp snapshot_catch_up_;
  StartComparison start_comparison_;
  ApplierLoop applier_loop_;
  PublisherLoop publisher_loop_;
  std::optional<CaptureLoop> capture_loop_;
  std::optional<AuditLoop> audit_loop_;
  std::atomic<bool> capture_failed_{false};
  std::uint64_t mark_tried_ = 0;  // the applier's
  std::thread applying_, publishing_, capturing_;
};

}  // namespace colony
