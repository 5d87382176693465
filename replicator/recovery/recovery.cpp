#include "replicator/recovery/recovery.h"

#include <algorithm>
#include <random>
#include <thread>

#include "replicator/log/error.h"
#include "replicator/recovery/new_log.h"
#include "replicator/recovery/recovery_place.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/wal/own_transaction.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Kind = RecoveryDecision::Kind;

constexpr auto kLook = 250ms;
constexpr auto kLease = 20s;
constexpr auto kRenewLease = 5s;
constexpr auto kLookTwice = 2s;                 // servers that have just become leaders know less for a moment
constexpr Clock::duration kFollowWithin = 15s;  // a heartbeat, and a few tries to meet the log
constexpr auto kServersAgreeWithin = 10s;
constexpr const char* kChore = "recover";

std::string random_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 16; ++i) token += "0123456789abcdef"[random() % 16];
  return token;
}

// Somebody's recovery may be all that is wrong.
bool is_let_go_of(const RecoveryView& view) { return view.is_needed && view.log && view.log->hold == LogHold::kFree; }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

// Two operators do not get in each other's way: not more is needed of it, since what
// it guards is checked again by the token that the log's description bears.
class Recovery::Lease {
 public:
  Lease(Recovery& recovery, std::string who) : cluster_status_(recovery.cluster_status_), who_(std::move(who)) {
    const Clock::time_point end = Clock::now() + recovery.request_.timeout;
    while (!cluster_status_.take(kChore, who_, kLease)) {
      if (Clock::now() >= end) throw Error("another colony recover is at work on this colony: wait until it has ended");
      has_waited_ = true;
      recovery.wait("another colony recover to end");
    }
  }
  ~Lease() {
    try {
      cluster_status_.release(kChore, who_);
    } catch (const Error&) {  // it ends by itself
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  bool has_waited() const { return has_waited_; }

  void renew() {
    if (Clock::now() - renewed_ < kRenewLease) return;
    renewed_ = Clock::now();
    if (!cluster_status_.renew(kChore, who_, kLease)) {
      throw Error("another colony recover has taken over: wait until it has ended, and look with --dry-run");
    }
  }

 private:
  ClusterStatus& cluster_status_;
  const std::string who_;
  Clock::time_point renewed_ = Clock::now();
  bool has_waited_ = false;
};

Recovery::Recovery(const RecoveryRequest& request, JetStreamLog& log, ClusterStatus& cluster_status,
                   SnapshotCatalog& catalog, OnWaiting on_waiting)
    : request_(request),
      log_(log),
      cluster_status_(cluster_status),
      catalog_(catalog),
      on_waiting_(std::move(on_waiting)),
      survey_(request.path, request.without, log, cluster_status) {}

void Recovery::wait(const std::string& for_what) {
  if (!on_waiting_(for_what)) throw Interrupted();
  std::this_thread::sleep_for(kLook);
}

// The log is one that a member has begun with a snapshot, as this command does, and this
// file has not followed yet: who has begun it tells the cluster status so only every few seconds.
bool Recovery::was_begun_anew(const RecoveryView& view) {
  if (!is_let_go_of(view) || view.nodes.front().report.epoch == view.log->epoch) return false;
  const std::vector<CatalogedSnapshot> snapshots = catalog_.list();
  return std::any_of(snapshots.begin(), snapshots.end(), [&](const CatalogedSnapshot& snapshot) {
    return snapshot.name.epoch == view.log->epoch &&
           std::any_of(view.nodes.begin(), view.nodes.end(), [&](const RecoveryNode& node) {
             return node.is_member && node.report.node == snapshot.name.node;
           });
  });
}

// What is wrong is looked at twice, and for longer where nodes may be about to follow
// another run of this command.
RecoveryView Recovery::settled_view(Lease* lease) {
  RecoveryView now = survey_.of_free_log();
  survey_.check_names(now);
  if (!is_let_go_of(now)) return now;
  std::this_thread::sleep_for(kLookTwice);
  now = survey_.of_free_log();
  if (!was_begun_anew(now) && (lease == nullptr || !lease->has_waited())) return now;
  const Clock::time_point end = Clock::now() + kFollowWithin;
  while (is_let_go_of(now) && Clock::now() < end) {
    if (lease != nullptr) lease->renew();
    wait("nodes to follow the other colony recover");
    now = survey_.of_free_log();
  }
  return now;
}

RecoveryView Recovery::look() {
  RecoveryView now = settled_view(nullptr);
  if (now.is_needed) check_place(now, request_.path, catalog_.url());
  return now;
}

RecoveryView Recovery::hear(const std::string& token, Lease& lease) {
  const Clock::time_point end = Clock::now() + request_.timeout;
  for (;;) {
    std::string waiting_for;
    try {
      RecoveryView now = survey_.of_held_log(token);
      lease.renew();
      if (now.decision->kind != Kind::kUnheard || Clock::now() >= end) return now;
      waiting_for = "node " + joined(now.decision->nodes) + " to halt and to say so";
    } catch (const LogUnavailable& error) {
      if (Clock::now() >= end) throw;
      waiting_for = error.what();
    }
    wait(waiting_for);
  }
}

// What was held goes on as it was. A log that was begun anew is nobody's, unless
// somebody has moved to it, or may have in a run before this one.
void Recovery::let_go(const RecoveryView* view, bool was_gone, const std::string& token) {
  const std::optional<LogInfo> info = survey_.log();
  if (!info || info->held_by != token) return;
  if (info->hold == LogHold::kHeld) return log_.release(token);
  if (was_gone) return log_.remove(token);
  if (view == nullptr || view->decision->kind == Kind::kUnheard) return;
  const auto has_moved = [&](const RecoveryNode& node) { return node.report.epoch == info->epoch; };
  if (std::none_of(view->nodes.begin(), view->nodes.end(), has_moved)) log_.remove(token);
}

// Sequences are never used again, whoever has seen them: journals and snapshots are
// called by them.
Sequence Recovery::end_of_all(const RecoveryView& view, const LogInfo& info) {
  Sequence end = info.last;
  for (const RecoveryNode& node : view.nodes) end = std::max(end, node.report.position);
  for (const CatalogedSnapshot& snapshot : catalog_.list()) end = std::max(end, snapshot.name.position);
  return end;
}

// Servers that keep the log together do not all know at once.
LogInfo Recovery::await_anew(const std::string& token, Sequence base) {
  const Clock::time_point end = Clock::now() + kServersAgreeWithin;
  for (;;) {
    const LogInfo info = log_.info();
    if (info.held_by == token && info.hold == LogHold::kAnew && info.last == base) return info;
    if (Clock::now() >= end) return info;
    wait("the broker to begin the log anew");
  }
}

void Recovery::renew_and_move(const RecoveryView& view, const std::string& token) {
  const LogInfo former = log_.info();
  const Sequence base = end_of_all(view, former);
  log_.renew(token, base.next());
  COLONY_STEP("recover.log_renewed");
  const LogInfo anew = await_anew(token, base);
  if (anew.held_by != token || anew.hold != LogHold::kAnew || anew.last != base) {
    throw Error("the broker has not begun the log anew after " + std::to_string(base.value()) +
                ", or another colony recover is at work: run colony recover again");
  }
  // Only members have had the same rows once.
  std::vector<std::string> other_logs;
  if (former.hold == LogHold::kAnew) other_logs.push_back(former.epoch);
  for (const RecoveryNode& node : view.nodes) {
    if (node.is_member) other_logs.push_back(node.report.epoch);
  }
  move_to_new_log(request_.path, anew.epoch, base, view.nodes.front().report.version_vector, other_logs);
}

void Recovery::go_on_from_here(RecoveryResult& result, const std::string& token, Lease& lease) {
  const std::string moved_to = result.view.nodes.front().report.epoch;
  if (result.view.log->hold != LogHold::kAnew || moved_to != result.view.log->epoch) {
    renew_and_move(result.view, token);
    COLONY_STEP("recover.file_moved");
  }
  const auto go_on = [&](std::uint64_t, std::uint64_t) {
    lease.renew();
    return on_waiting_("its snapshot to be stored");
  };
  const BeginRead begin = captured_reads(request_.path, [&] { return go_on(0, 0); });
  const CatalogedSnapshot made = store_snapshot(request_.path, catalog_, go_on, begin);
  COLONY_STEP("recover.snapshot_stored");
  log_.release(token);
  COLONY_STEP("recover.log_released");
  result.epoch = made.name.epoch;
  result.position = made.name.position;
  result.snapshot = made.name.text();
  result.store = catalog_.url();
}

RecoveryResult Recovery::run() {
  catalog_.list();            // a store that cannot be reached is told before anything is touched
  capture_of(request_.path);  // likewise, a file that cannot be copied
  RecoveryResult result{survey_.of_free_log(), "", {}, "", ""};
  survey_.check_names(result.view);
  if (!result.view.is_needed) return result;
  const std::string token = random_token();
  Lease lease(*this, survey_.identity().node + "-" + token);
  result.view = settled_view(&lease);
  if (!result.view.is_needed) return result;
  check_place(result.view, request_.path, catalog_.url());
  const bool was_gone = !result.view.log;
  try {
    log_.hold(token);
    COLONY_STEP("recover.held");
    result.view = hear(token, lease);
    COLONY_STEP("recover.heard");
    if (result.view.decision->kind == Kind::kHere) {
      check_place(result.view, request_.path, catalog_.url());  // now that all are heard
    } else {
      let_go(&result.view, was_gone, token);
    }
  } catch (...) {
    try {
      let_go(nullptr, was_gone, token);
    } catch (const Error&) {  // the former failure is the one to be told
    }
    throw;
  }
  if (result.view.decision->kind == Kind::kHere) go_on_from_here(result, token, lease);
  return result;
}

}  // namespace colony
