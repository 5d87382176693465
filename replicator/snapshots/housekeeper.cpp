#include "replicator/snapshots/housekeeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "replicator/broker/cluster_status.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cluster/members.h"
#include "replicator/snapshots/repair_base.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/store/node_file.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = 1s;             // whether a snapshot is due, which costs nothing
constexpr auto kLookForFirst = 100ms;  // while no snapshot is known: others may be waiting for it to join
constexpr auto kLookAtLog = 60s;       // whether the log can be cut
constexpr auto kRetry = 10s;           // when the lease is somebody else's, or something failed
constexpr auto kLease = 60s;           // renewed while the work goes on
constexpr auto kRenewLease = 20s;
constexpr const char* kChore = "snapshot";

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

class Housekeeper::Implementation {
 public:
  explicit Implementation(HousekeepingSettings settings)
      : settings_(std::move(settings)),
        catalog_(open_snapshot_store(settings_.snapshot_url, settings_.cluster, settings_.broker, settings_.replicas),
                 settings_.cluster),
        log_({.broker = settings_.broker,
              .cluster = settings_.cluster,
              .read_only = true,
              .client_name = "colony " + settings_.node + " housekeeping"}),
        cluster_status_({.broker = settings_.broker,
                         .cluster = settings_.cluster,
                         .replicas = settings_.replicas,
                         .client_name = "colony " + settings_.node + " housekeeping"}),
        loop_progress_(settings_.loop_progress != nullptr ? *settings_.loop_progress : own_loop_progress_),
        thread_([this] { work(); }) {}

  ~Implementation() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    log_.interrupt();
    cluster_status_.interrupt();
    thread_.join();
  }

 private:
  void work() {
    remove_staging_files(settings_.database, kSnapshotSuffix);
    remove_staging_files(settings_.database, kRepairSuffix);
    while (!stopping_) {
      auto wait = newest_ ? std::chrono::milliseconds(kLook) : std::chrono::milliseconds(kLookForFirst);
      try {
        if (!step()) wait = kRetry;
        report("");
      } catch (const Interrupted&) {
        if (stopping_) return;
        wait = kRetry;  // the lease was lost
      } catch (const std::exception& error) {
        wait = kRetry;
        // Without a broker there are other things to report.
        if (!stopping_ && settings_.is_sound()) report(error.what());
      }
      loop_progress_.rest();
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, wait, [this] { return stopping_.load(); });
    }
  }

  void report(const std::string& trouble) {
    if (reported_ == trouble) return;
    reported_ = trouble;
    if (!trouble.empty()) spdlog::warn("no snapshot can be made error=\"{}\"", trouble);
    settings_.on_trouble(trouble);
  }

  // False if there is something to do and it is not for us just now.
  bool step() {
    if (!settings_.is_sound()) return true;
    const LogPlace here = place();
    const bool looks_at_log = looked_at_log_ + kLookAtLog <= Clock::now();
    if (!is_snapshot_due(settings_.retention, newest_, here, now_s()) && !looks_at_log) return true;
    if (!has_met_colony_ || epoch_.empty()) return true;
    loop_progress_.begin("asking whose turn it is to keep house");
    if (!cluster_status_.take(kChore, settings_.node, kLease)) return false;
    renewed_ = Clock::now();
    COLONY_STEP("housekeeper.leased");
    std::vector<SnapshotName> snapshots = list();
    if (is_snapshot_due(settings_.retention, newest_, place(), now_s())) {
      make();
      COLONY_STEP("housekeeper.made");
      snapshots = list();
    }
    cut(snapshots);
    looked_at_log_ = Clock::now();
    cluster_status_.release(kChore, settings_.node);
    COLONY_STEP("housekeeper.released");
    return true;
  }

  // How far this node has come.
  LogPlace place() {
    Database db(settings_.database, Database::Mode::kReadOnly);
    NodeFile file(db);
    db.execute("BEGIN");
    epoch_ = file.epoch();
    has_met_colony_ = file.has_met_colony();
    former_epochs_ = file.former_epochs();
    return {file.position(), file.log_bytes(), last_change(file)};
  }

  // Nodes that compare their rows write to the log, and change nothing.
  static Sequence last_change(NodeFile& file) {
    Sequence last;
    for (const auto& [node, origin] : file.origins()) last = std::max(last, origin.sequence);
    for (const auto& [incarnation, departure] : file.departures()) last = std::max(last, departure.sequence);
    return last;
  }

  // Where the members stand, by their own word; this one's file knows better. Of who
  // has not given any, as when the cluster status was lost, nothing is known: so they hold the
  // log until they have been silent for long enough.
  std::map<std::string, MemberPlace> members() {
    const Heartbeats heartbeats = read_heartbeats(cluster_status_);
    const auto now = std::chrono::system_clock::now();
    Database db(settings_.database, Database::Mode::kReadOnly);
    NodeFile file(db);
    std::map<std::string, MemberPlace> members;
    for (const auto& [node, origin] : file.origins()) {
      if (origin.incarnation == file.identity().incarnation) {
        members[node] = {file.position(), false};
        continue;
      }
      const std::chrono::seconds gone_after(settings_.gone_after_s);
      if (const Heartbeat* const heartbeat = heartbeats.of(node, origin.incarnation)) {
        members[node] = {heartbeat->position,
                         is_gone(age(heartbeat->written_ns, heartbeats.newest_ns, now), gone_after)};
        unseen_since_.erase(node);
      } else {
        const auto since = unseen_since_.try_emplace(node, Clock::now()).first->second;
        members[node] = {Sequence(), Clock::now() - since > gone_after};
      }
    }
    return members;
  }

  // The snapshots of this log, by position.
  std::vector<SnapshotName> list() {
    loop_progress_.begin("listing the snapshots");
    std::vector<SnapshotName> snapshots;
    former_snapshots_.clear();
    for (const CatalogedSnapshot& snapshot : catalog_.list()) {
      const std::string& epoch = snapshot.name.epoch;
      if (epoch == epoch_) snapshots.push_back(snapshot.name);
      const bool is_former = std::find(former_epochs_.begin(), former_epochs_.end(), epoch) != former_epochs_.end();
      if (is_former) former_snapshots_.push_back(snapshot.name);
    }
    newest_ = snapshots.empty() ? std::nullopt : std::optional(snapshots.back());
    return snapshots;
  }

  void make() {
    const Clock::time_point begin = Clock::now();
    loop_progress_.begin("making and storing a snapshot");
    const CatalogedSnapshot made = store_snapshot(
        settings_.database, catalog_, [this](std::uint64_t done, std::uint64_t) { return go_on(done); },
        captured_reads(settings_.database, settings_.capture, [this] { return !stopping_; }));
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    spdlog::info("made a snapshot position={} bytes={} seconds={:.1f} store={}", made.name.position.value(), made.bytes,
                 seconds.count(), catalog_.url());
    found_good_.insert(made.name.text());
  }

  // A part that is as far as it was has made no progress.
  bool go_on(std::uint64_t done) {
    if (std::exchange(done_, done) != done) loop_progress_.advance();
    if (stopping_) return false;
    if (Clock::now() - renewed_ < kRenewLease) return true;
    renewed_ = Clock::now();
    return cluster_status_.renew(kChore, settings_.node, kLease);
  }

  RetentionPlan plan(const LogInfo& info, const std::vector<SnapshotName>& snapshots) {
    return plan_retention(settings_.retention, {info.entries, info.bytes, info.oldest_ns / 1'000'000'000}, snapshots,
                          place(), members(), now_s());
  }

  // Snapshots may have been damaged since they were made: those that are to carry the
  // log's place are read again, once.
  std::vector<SnapshotName> good_ones(const std::vector<SnapshotName>& snapshots, Sequence from) {
    std::vector<SnapshotName> good;
    for (const SnapshotName& name : snapshots) {
      loop_progress_.begin("reading a snapshot again");
      if (name.position >= from && !found_good_.contains(name.text())) {
        if (const std::string why = catalog_.damage(name, [this](auto done, auto) { return go_on(done); });
            !why.empty()) {
          spdlog::warn("a snapshot is damaged name={} why=\"{}\"", name.text(), why);
          continue;
        }
        found_good_.insert(name.text());
      }
      good.push_back(name);
    }
    return good;
  }

  void cut(std::vector<SnapshotName> snapshots) {
    loop_progress_.begin("looking whether the log can be cut");
    const LogInfo info = log_.info();
    if (info.epoch != epoch_ || info.last < place().position) return;  // the applier will meet it, and say so
    RetentionPlan plan = this->plan(info, snapshots);
    if (plan.cut_to > info.first) {
      snapshots = good_ones(snapshots, plan.cut_to);
      plan = this->plan(info, snapshots);
    }
    if (plan.held_by != held_by_ && !plan.held_by.empty()) {
      spdlog::warn("the log is kept for nodes that have not yet read it nodes={}", joined(plan.held_by));
    }
    held_by_ = plan.held_by;
    if (!settings_.is_sound()) return;
    if (plan.cut_to > info.first) {
      if (plan.left_behind != left_behind_ && !plan.left_behind.empty()) {
        spdlog::warn("the log is cut past nodes that were not seen for long; a snapshot will bring them back nodes={}",
                     joined(plan.left_behind));
      }
      left_behind_ = plan.left_behind;
      // The entry at the snapshot's position stays: by it anybody can tell whether the
      // snapshot is of this log's past.
      COLONY_STEP("housekeeper.before_cut");
      loop_progress_.begin("cutting the log");
      log_.cut_before(plan.cut_to);
      COLONY_STEP("housekeeper.cut");
      spdlog::info("cut the log first={} entries_removed={}", plan.cut_to.value(),
                   plan.cut_to.value() - info.first.value());
    }
    // Only now: until then they were the base of what was cut.
    for (const SnapshotName& name : plan.obsolete) {
      catalog_.remove(name);
      COLONY_STEP("housekeeper.surplus_removed");
    }
    const std::size_t own = snapshots.size() - plan.obsolete.size();
    for (const SnapshotName& name : outdated_snapshots(settings_.retention, former_snapshots_, own, now_s())) {
      catalog_.remove(name);
    }
  }

  const HousekeepingSettings settings_;
  SnapshotCatalog catalog_;
  JetStreamLog log_;
  ClusterStatus cluster_status_;
  LoopProgress own_loop_progress_;
  LoopProgress& loop_progress_;
  std::uint64_t done_ = 0;  // of what is being copied or read
  std::string epoch_;       // of the log
  std::vector<std::string> former_epochs_;
  bool has_met_colony_ = false;
  std::vector<SnapshotName> former_snapshots_;
  std::optional<SnapshotName> newest_;  // as far as is known
  Clock::time_point looked_at_log_ = Clock::now();
  Clock::time_point renewed_;
  std::set<std::string> found_good_;                       // snapshots, by this process
  std::map<std::string, Clock::time_point> unseen_since_;  // members that the cluster status does not know
  std::vector<std::string> held_by_, left_behind_;         // as was reported
  std::string reported_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

Housekeeper::Housekeeper(HousekeepingSettings settings)
    : implementation_(std::make_unique<Implementation>(std::move(settings))) {}
Housekeeper::~Housekeeper() = default;

}  // namespace colony
