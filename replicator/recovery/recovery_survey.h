// Who of a colony has what, when its broker has forgotten: by the file at hand, and by
// what the other nodes tell the cluster status.
//
// Threads: one. Errors: Error (refused, one line), LogUnavailable.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/broker/cluster_status.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cluster/heartbeat.h"
#include "replicator/recovery/recovery_decision.h"
#include "replicator/store/node_file.h"

namespace colony {

// A member, for people.
struct RecoveryNode {
  RecoveryReport report;
  bool is_heard = false;
  bool is_left_out = false;
  bool is_member = false;     // by this node's file
  std::string state;          // as the cluster status tells; empty if it does not
  std::string trouble;        // what is wrong with the log for it
  bool is_to_follow = false;  // it has not yet taken the log, and will by itself
  std::string snapshots;      // where it looks for them; empty if it is not known
};

struct RecoveryView {
  std::optional<LogInfo> log;  // nothing if it is gone
  std::vector<RecoveryNode> nodes;
  std::optional<RecoveryDecision> decision;
  bool is_needed = false;  // otherwise nothing is wrong
};

class RecoverySurvey {
 public:
  // `without` are names of nodes that need not be heard. Opens the file; throws Error if
  // it is no member's. `log` and `cluster status` must outlive it.
  RecoverySurvey(std::string path, std::set<std::string> without, JetStreamLog& log, ClusterStatus& cluster_status);

  const Identity& identity() const { return file_.identity(); }

  // As things look now: who is live counts as heard.
  RecoveryView of_free_log() { return view(""); }
  // Once the log is held: who has told the cluster status that it halts before that hold is heard.
  RecoveryView of_held_log(const std::string& token) { return view(token); }

  // Nothing if it is gone.
  std::optional<LogInfo> log();

  // Throws Error if a node that is to be left out is not in `view`, or is this one.
  void check_names(const RecoveryView& view) const;

 private:
  RecoveryReport self();
  std::optional<std::uint64_t> hash_at(Sequence position);
  RecoveryView view(const std::string& token);
  RecoveryNode this_node(const Heartbeats& heartbeats, const std::string& token);
  void judge(RecoveryView& view, const Heartbeats& heartbeats);
  void decide(RecoveryView& view, const std::vector<RecoveryReport>& heard, const VersionVector& live) const;

  const std::string path_;
  const std::set<std::string> without_;
  JetStreamLog& log_;
  ClusterStatus& cluster_status_;
  Database db_;
  NodeFile file_;
};

}  // namespace colony
