// Takes planned messages into the file: rows, Colony's own records, and how far the file
// has come with the log.
//
// One Absorption lives as long as one write transaction of the applier, between the
// rebase's undo() and the commit. Threads: the applier's. Errors: StoppedAt for a message
// that cannot be applied, SqliteError; the caller rolls back.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/apply/round_plan.h"
#include "replicator/cluster/divergence_detector.h"

namespace colony {

// What a round has absorbed: the others are told once it is committed.
struct Absorbed {
  std::size_t messages = 0;
  std::uint64_t bytes = 0;  // of the messages
  std::size_t work = 0;
  std::size_t not_entries = 0;
  std::size_t untrusted = 0;
  bool trust_changed = false;
  std::size_t own = 0;  // transactions that have left the outbox
  bool own_out_of_turn = false;
  std::vector<ChainedPosition> places;  // of each message, if the file knows its chain
  std::optional<std::pair<BarrierEntry, Sequence>> barrier;
  std::optional<std::pair<QuestionEntry, Sequence>> question;
};

class Absorption {
 public:
  using Clock = std::chrono::steady_clock;

  // All must outlive it.
  Absorption(FoldedFile& file, const RoundPlan& plan, Rebase& rebase);

  // The messages of the plan, or as many as there is time for, and one at least: what
  // they are was foretold, how long they take was only guessed.
  void apply(Clock::duration time_max);

  // Position, chain and version vector, into the file.
  void write_progress();

  // How many of them were applied.
  std::size_t messages() const { return absorbed_.messages; }

  // Tells `file` how far it has come. After the commit, and only then; the last call.
  Absorbed committed();

 private:
  void apply(std::size_t message);
  void ignore(const PlannedMessage& planned);
  void apply_hello(const PlannedMessage& planned, const HelloEntry& hello);
  void apply_leave(const Message& message, const LeaveEntry& leave);
  bool apply_check(const PlannedMessage& planned);
  void apply_transactions(const PlannedMessage& planned, const std::vector<ChangesetView>& changesets);
  void write_chain();
  const Origin& origin(const std::string& node);
  Origin& change_origin(const std::string& node);

  FoldedFile& file_;
  const RoundPlan& plan_;
  Rebase& rebase_;
  Absorbed absorbed_;
  LogStateChanges changes_;  // by what was applied
};

}  // namespace colony
