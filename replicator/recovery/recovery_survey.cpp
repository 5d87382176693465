#include "replicator/recovery/recovery_survey.h"

#include <algorithm>

#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/status/status.h"

namespace colony {
namespace {

using Kind = RecoveryDecision::Kind;

RecoveryReport report_of(const Heartbeat& heartbeat) {
  return {heartbeat.node,          heartbeat.incarnation,    heartbeat.epoch, heartbeat.position,
          heartbeat.position_hash, heartbeat.version_vector, heartbeat.home,  heartbeat.former_epochs};
}

}  // namespace

RecoverySurvey::RecoverySurvey(std::string path, std::set<std::string> without, JetStreamLog& log,
                               ClusterStatus& cluster_status)
    : path_(std::move(path)),
      without_(std::move(without)),
      log_(log),
      cluster_status_(cluster_status),
      db_(open_database(path_, Database::Mode::kReadOnly)),
      file_(db_) {
  const VersionVector version_vector = version_vector_of(file_);
  const auto own = version_vector.find(file_.identity().incarnation);
  if (file_.epoch().empty() || own == version_vector.end()) {
    throw Error("node " + file_.identity().node +
                " has not yet met its colony: run colony recover on a node that has, if its log is gone");
  }
  if (own->second.has_left) throw Error("node " + file_.identity().node + " has left its colony");
}

RecoveryReport RecoverySurvey::self() {
  const ReadTransaction one_moment(db_);
  const Identity& self = file_.identity();
  return {self.node,        self.incarnation,      file_.epoch(),
          file_.position(), file_.position_hash(), version_vector_of(file_),
          file_.home(),     file_.former_epochs()};
}

std::optional<LogInfo> RecoverySurvey::log() {
  try {
    return log_.info();
  } catch (const NoSuchLog&) {
    return std::nullopt;
  }
}

std::optional<std::uint64_t> RecoverySurvey::hash_at(Sequence position) {
  const std::optional<Message> entry = log_.read(position);
  return entry ? std::optional(message_hash(entry->data)) : std::nullopt;
}

// Its file is at hand: that is enough, unless a sidecar may still write to it.
RecoveryNode RecoverySurvey::this_node(const Heartbeats& heartbeats, const std::string& token) {
  RecoveryNode node;
  const std::optional<StatusView> sidecar = Status::of(path_);
  const Heartbeat* const heartbeat = heartbeats.of(file_.identity().node, file_.identity().incarnation);
  node.is_heard = !sidecar || token.empty() || (heartbeat != nullptr && heartbeat->held_by == token);
  node.state = to_string(sidecar ? sidecar->state : State::kStopped);
  if (sidecar && heartbeat != nullptr) node.snapshots = heartbeat->snapshots;
  node.report = self();
  return node;
}

// Without a token, who is live counts as heard.
RecoveryView RecoverySurvey::view(const std::string& token) {
  RecoveryView view;
  const Heartbeats heartbeats = read_heartbeats(cluster_status_);
  view.nodes.push_back(this_node(heartbeats, token));
  const RecoveryReport here = view.nodes.front().report;
  for (const Heartbeat& heartbeat : heartbeats.heartbeats) {
    const auto known = here.version_vector.find(heartbeat.incarnation);
    if (heartbeat.incarnation == here.incarnation || (known != here.version_vector.end() && known->second.has_left))
      continue;
    RecoveryNode& node = view.nodes.emplace_back();
    node.report = report_of(heartbeat);
    node.state = is_live(heartbeat, heartbeats) ? heartbeat.state : "silent";
    if (is_live(heartbeat, heartbeats)) node.snapshots = heartbeat.snapshots;
    node.is_heard = token.empty() ? is_live(heartbeat, heartbeats) : heartbeat.held_by == token;
  }
  for (const auto& [incarnation, entry] : here.version_vector) {
    const auto same = [&, which = incarnation](const RecoveryNode& node) { return node.report.incarnation == which; };
    if (entry.has_left || std::any_of(view.nodes.begin(), view.nodes.end(), same)) continue;
    view.nodes.emplace_back().report = {entry.node, incarnation, "", Sequence(), 0, {}, {}};
  }
  judge(view, heartbeats);
  return view;
}

void RecoverySurvey::judge(RecoveryView& view, const Heartbeats& heartbeats) {
  view.log = log();
  const RecoveryReport& here = view.nodes.front().report;
  view.is_needed = !view.log || view.log->hold != LogHold::kFree;
  std::vector<RecoveryReport> heard;
  VersionVector live;
  for (RecoveryNode& node : view.nodes) {
    const RecoveryReport& report = node.report;
    node.is_left_out = without_.contains(report.node);
    node.is_member = here.version_vector.contains(report.incarnation);
    const Heartbeat* const heartbeat = heartbeats.of(report.node, report.incarnation);
    const bool is_seen = heartbeat != nullptr && is_live(*heartbeat, heartbeats);
    if (is_seen || &node == &view.nodes.front()) live[report.incarnation].node = report.node;
    if (!node.is_heard) continue;
    heard.push_back(report);
    node.trouble = view.log ? trouble_with_log(report, *view.log, hash_at(report.position)) : "is gone";
  }
  for (RecoveryNode& node : view.nodes) {
    const auto leads = [&](const RecoveryNode& other) {
      return other.is_heard && (other.trouble.empty() || other.is_to_follow) && follows(node.report, other.report);
    };
    if (!node.trouble.empty()) node.is_to_follow = std::any_of(view.nodes.begin(), view.nodes.end(), leads);
    if (!node.is_to_follow) view.is_needed |= !node.trouble.empty() && !node.is_left_out;
  }
  decide(view, heard, live);
}

void RecoverySurvey::decide(RecoveryView& view, const std::vector<RecoveryReport>& heard,
                            const VersionVector& live) const {
  const bool is_anew = view.log && view.log->hold == LogHold::kAnew;
  if (view.nodes.front().is_heard) {
    view.decision = decide_recovery(heard, live, without_, is_anew ? view.log->epoch : "");
    return;
  }
  std::vector<std::string> missing = {view.nodes.front().report.node};
  for (const RecoveryNode& node : view.nodes) {
    if (node.is_member && !node.is_heard && !node.is_left_out && node.report.node != view.nodes.front().report.node) {
      missing.push_back(node.report.node);
    }
  }
  view.decision = RecoveryDecision{Kind::kUnheard, std::move(missing), {}, {}};
}

void RecoverySurvey::check_names(const RecoveryView& view) const {
  for (const std::string& name : without_) {
    if (name == file_.identity().node) throw Error("node " + name + " is the one at hand: it cannot be left out");
    const auto is_it = [&](const RecoveryNode& node) { return node.report.node == name; };
    if (std::none_of(view.nodes.begin(), view.nodes.end(), is_it)) {
      throw Error("colony " + file_.identity().cluster + " has no node " + name);
    }
  }
}

}  // namespace colony
