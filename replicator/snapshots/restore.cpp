#include "replicator/snapshots/restore.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "replicator/file/staging_file.h"
#include "replicator/log/error.h"
#include "replicator/snapshots/log_replay.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

std::string number(Sequence sequence) { return std::to_string(sequence.value()); }

// The last entry that the log took by then; before the first if it took all later.
Sequence last_taken_by(Log& log, const LogInfo& info, std::int64_t time_s) {
  std::uint64_t low = info.first.value() - 1, high = info.last.value();
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    const std::optional<Message> message = log.read(Sequence(middle));
    if (message && message->time_ns / 1'000'000'000 > time_s) {
      high = middle - 1;
    } else {
      low = middle;
    }
  }
  return Sequence(low);
}

class Restoration {
 public:
  Restoration(const RestoreRequest& request, Log* log, SnapshotCatalog& catalog, const GoOn& go_on)
      : request_(request), log_(log), catalog_(catalog), go_on_(go_on), staging_(request.to + ".unfinished", 0600) {}

  Sequence run() {
    snapshots_ = catalog_.list();
    if (log_ != nullptr) info_ = log_->info();
    Sequence target = find_target();
    const SnapshotName base = fetch(target);
    COLONY_STEP("restore.fetched");
    if (log_ == nullptr) target = base.position;
    if (log_ != nullptr) replay_log(staging_.path(), *log_, target, go_on_);
    COLONY_STEP("restore.replayed");
    make_plain(staging_.path());
    COLONY_STEP("restore.plain");
    staging_.finish_as(request_.to);
    COLONY_STEP("restore.in_place");
    return target;
  }

 private:
  Sequence find_target() const {
    if (!info_) return target_without_log();
    if (request_.at) {
      if (*request_.at > info_->last) {
        throw Error("the log ends at " + number(info_->last) + ", before " + number(*request_.at));
      }
      return *request_.at;
    }
    if (!request_.at_time_s) return info_->last;
    const Sequence last = last_taken_by(*log_, *info_, *request_.at_time_s);
    if (last >= info_->first) return last;
    return newest_made_by(*request_.at_time_s);
  }

  Sequence target_without_log() const {
    if (request_.at) return *request_.at;
    if (request_.at_time_s) return newest_made_by(*request_.at_time_s);
    return Sequence(~0ull);  // the newest that is good
  }

  Sequence newest_made_by(std::int64_t time_s) const {
    std::optional<Sequence> position;
    for (const CatalogedSnapshot& snapshot : snapshots_) {
      if (is_of_log(snapshot.name) && snapshot.name.made_s <= time_s) position = snapshot.name.position;
    }
    if (!position) throw Error("neither the log nor a snapshot in " + catalog_.url() + " reaches back to then");
    return *position;
  }

  // The log's; without it, that of the latest snapshot: a colony may have begun anew
  // under its name.
  std::string epoch() const {
    if (info_) return info_->epoch;
    const auto latest = std::max_element(
        snapshots_.begin(), snapshots_.end(),
        [](const CatalogedSnapshot& a, const CatalogedSnapshot& b) { return a.name.made_s < b.name.made_s; });
    return latest == snapshots_.end() ? std::string() : latest->name.epoch;
  }

  bool is_of_log(const SnapshotName& name) const { return name.epoch == epoch(); }

  // Every snapshot from which the log leads to `target`, the newest first.
  SnapshotName fetch(Sequence target) {
    if (snapshots_.empty()) throw Error(catalog_.url() + " has no snapshot of this colony");
    Sequence from = log_ != nullptr || request_.at || request_.at_time_s ? target : Sequence();
    if (info_ && info_->first.value() - 1 <= target.value()) from = Sequence(info_->first.value() - 1);
    const auto name = catalog_.fetch(
        {epoch(), from, target}, staging_.path(), go_on_, [](const SnapshotName& rejected, const std::string& why) {
          spdlog::warn("ignored a damaged snapshot name={} why=\"{}\"", rejected.text(), why);
        });
    if (!name && target == Sequence(~0ull)) throw Error(catalog_.url() + " has no good snapshot of this colony");
    if (!name) throw Error("position " + number(target) + " is not covered: " + what_is_covered());
    return *name;
  }

  std::string what_is_covered() const {
    std::string text = "snapshots in " + catalog_.url() + " are at";
    for (const CatalogedSnapshot& snapshot : snapshots_) {
      if (is_of_log(snapshot.name)) text += " " + number(snapshot.name.position);
    }
    if (!info_) return text + "; with the broker (--nats), positions after them can be restored, too";
    return text + ", and the log goes from " + number(info_->first) + " to " + number(info_->last);
  }

  const RestoreRequest& request_;
  Log* const log_;
  SnapshotCatalog& catalog_;
  const GoOn& go_on_;
  const StagingFile staging_;
  std::vector<CatalogedSnapshot> snapshots_;
  std::optional<LogInfo> info_;
};

}  // namespace

Sequence restore(const RestoreRequest& request, Log* log, SnapshotCatalog& catalog, const GoOn& go_on) {
  if (access(request.to.c_str(), F_OK) == 0) throw Error(request.to + " exists already: choose another name");
  return Restoration(request, log, catalog, go_on).run();
}

}  // namespace colony
