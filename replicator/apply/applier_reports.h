// Passes on what an applier tells to the parts of a node that need it: the publisher by
// its permit, people by the status, the watchdog by the loop's progress, whoever looks
// whether all read one log, and whoever answers questions about the rows.
//
// Threads: the applier's.
#pragma once

#include <functional>

#include "replicator/apply/applier_observer.h"
#include "replicator/cluster/divergence_detector.h"
#include "replicator/publish/publish_permit.h"
#include "replicator/status/replication_lag.h"

namespace colony {

class ApplierReports final : public ApplierObserver {
 public:
  // Those that not every node has. They must outlive it.
  struct Listeners {
    LoopProgress* loop_progress = nullptr;
    DivergenceDetector* divergence = nullptr;
    // Called right after the commit that moved the file to a barrier's position: what a
    // reader now sees is the fold up to there and the pending transactions.
    std::function<void(const BarrierEntry&, Sequence)> on_barrier = {};
    // The same for a question about shares of the rows, unless the file has missed so much
    // that it is catching up.
    std::function<void(const QuestionEntry&, Sequence)> on_question = {};
  };

  // Both must outlive it.
  ApplierReports(PublishPermit& permit, Status& status, Listeners listeners);
  ApplierReports(PublishPermit& permit, Status& status) : ApplierReports(permit, status, Listeners()) {}

  void check_may_go_on() const override;
  std::optional<std::uint64_t> open_question() const override;
  void question_answered(std::uint64_t question) override;
  void progressed(const LoopMark& mark) override;
  void delayed(Delay by, Since since) override;
  void state_changed(State state, const std::string& why, Sequence position) override;
  void file_loaded(const LogState& state) override;
  void log_seen(const LogSight& sight) override;
  void log_met(const LogInfo& info, const OwnEntries& own) override;
  void absorbed(const AbsorbedRound& round) override;

 private:
  PublishPermit& permit_;
  Status& status_;
  const Listeners listeners_;
  ReplicationLag lag_;
};

}  // namespace colony
