#include "replicator/node/new_base.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "replicator/node/adoption.h"
#include "replicator/node/first_meeting.h"
#include "replicator/node/snapshot_maker.h"
#include "replicator/store/table_comparison.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

// Of those that will do; empty if there is none.
std::string newest_of(SnapshotShelf& shelf, const SnapshotShelf::Wanted& wanted) {
  std::string newest;
  for (const ShelvedSnapshot& snapshot : shelf.list()) {
    const SnapshotName& name = snapshot.name;
    const bool will_do = name.epoch == wanted.epoch && name.position >= wanted.from && name.position <= wanted.to;
    if (will_do) newest = name.text();
  }
  return newest;
}

}  // namespace

NewBase::NewBase(Settings settings, Log& log, Applier& applier, StateReports& reports)
    : settings_(std::move(settings)), log_(log), applier_(applier), reports_(reports) {}

bool NewBase::meet(const BaseUnknown& unknown) {
  if (settings_.snapshot_url.empty()) {
    go_on_alone();
    return true;
  }
  SnapshotShelf shelf = this->shelf();
  const LogInfo info = log_.info();
  const Sequence reaches_log(info.first.value() - 1);
  const SnapshotShelf::Wanted wanted{info.epoch, std::max(applier_.position().next(), reaches_log), info.last};
  const std::string newest = newest_of(shelf, wanted);
  check_not_refused(newest);
  const UnfinishedFile base = place();
  const auto name = newest.empty() ? std::nullopt : fetch(shelf, wanted, base);
  if (!name) {
    tell_wait(std::string(unknown.what()) + ": waiting for a snapshot in " + shelf.url() +
              " to compare with; one of its nodes must run, and will make one");
    return false;
  }
  reports_.show(State::kCatchingUp, std::string(unknown.what()) + ": comparing its rows with the colony's");
  COLONY_STEP("meeting.fetched");
  check_history(base, *name);
  adopt(base, newest, OwnRows::kCompared);
  spdlog::info("joined from a snapshot position={} made={} by={} store={}", name->position.value(),
               utc_text(name->made_s), name->node, shelf.url());
  return true;
}

void NewBase::compare(const UnfinishedFile& base) {
  const UnfinishedFile scratch = this->scratch();
  FirstMeeting({settings_.database, base.path(), scratch.path(), std::nullopt}, log_,
               [this](std::uint64_t, std::uint64_t) { return go_on(); })
      .check();
}

// The first one comes at once when a colony begins.
void NewBase::tell_wait(const std::string& why) {
  constexpr std::chrono::seconds kNoNewsFor{3};
  const auto now = std::chrono::steady_clock::now();
  if (!waiting_since_) waiting_since_ = now;
  if (now - *waiting_since_ < kNoNewsFor) return reports_.show(State::kCatchingUp, why);
  reports_.report(State::kCatchingUp, why);
}

// Empty tables are taken for those with which the colony began; rows cannot be.
void NewBase::go_on_alone() {
  check_not_refused("");
  const UnfinishedFile scratch = this->scratch();
  copy_without_node(settings_.database, scratch.path(), [this](std::uint64_t, std::uint64_t) { return go_on(); });
  Database own(scratch.path(), Database::Mode::kReadOnly), file(settings_.database, Database::Mode::kReadOnly);
  if (!has_no_rows(own) || NodeFile(file).merged() != PieceNumber()) {
    refused_ = {"", std::nullopt,
                "this file had rows before it joined, and with --snapshots none they cannot be compared with the "
                "colony's: start it with --snapshots, or begin with a file whose tables are empty"};
    throw BaseDiffers(refused_->why);
  }
  applier_.trust_own_base();
}

void NewBase::take(const LogCut& cut) {
  if (!applier_.has_met_colony() && !settings_.snapshot_url.empty()) {
    if (!meet(BaseUnknown(cut.what()))) throw Halt(cut.what());
    return;
  }
  const std::string why = cut.what();
  if (settings_.snapshot_url.empty()) throw Halt(why + ", and --snapshots is none");
  SnapshotShelf shelf = this->shelf();
  const LogInfo info = log_.info();
  const Sequence reaches_log(info.first.value() - 1);
  const SnapshotShelf::Wanted wanted{info.epoch, std::max(applier_.position().next(), reaches_log), info.last};
  const Halt none(why + ", and " + shelf.url() +
                  " has no snapshot that goes beyond them: wait until a node has made one, or run colony snapshot "
                  "there");
  const std::string newest = newest_of(shelf, wanted);
  if (newest.empty()) throw none;
  check_not_refused(newest);
  reports_.report(State::kCatchingUp, why + ": taking a snapshot from " + shelf.url());
  const UnfinishedFile base = place();
  const auto name = fetch(shelf, wanted, base);
  if (!name) throw none;
  COLONY_STEP("adoption.fetched");
  check_history(base, *name);
  adopt(base, newest);
  spdlog::info("took a snapshot as the new base position={} made={} by={}", name->position.value(),
               utc_text(name->made_s), name->node);
}

void NewBase::take(const LogReplaced& replaced) {
  if (settings_.snapshot_url.empty()) throw Halt(replaced.what());
  SnapshotShelf shelf = this->shelf();
  const LogInfo info = log_.info();
  const SnapshotShelf::Wanted wanted{info.epoch, Sequence(info.first.value() - 1), info.last};
  const std::string newest = newest_of(shelf, wanted);
  if (newest.empty()) throw Halt(replaced.what());
  check_not_refused(newest);
  const UnfinishedFile base = place();
  const auto name = fetch(shelf, wanted, base);
  if (!name) throw Halt(replaced.what());
  reports_.report(State::kCatchingUp, "the colony has gone on with a new log: taking its snapshot from " + shelf.url());
  check_history(base, *name);
  adopt(base, newest);
  spdlog::info("went on with the log that colony recover has begun epoch={} after={} position={} by={}", info.epoch,
               replaced.former_epoch(), name->position.value(), name->node);
}

void NewBase::check_not_refused(const std::string& newest) const {
  if (!refused_ || refused_->newest != newest) return;
  if (refused_->file_version && *refused_->file_version != applier_.file_version()) return;
  throw Halt(refused_->why);
}

void NewBase::adopt(const UnfinishedFile& base, const std::string& newest, OwnRows own_rows) {
  refused_.reset();
  const std::int64_t file_version = applier_.file_version();
  try {
    if (own_rows == OwnRows::kCompared) compare(base);
    applier_.adopt(base.path(), own_rows);
  } catch (const NoHeir& refusal) {
    refused_ = {newest, std::nullopt, refusal.what()};
    throw;
  } catch (const BaseDiffers& refusal) {
    refused_ = {newest, std::nullopt, refusal.what()};
    throw;
  } catch (const Halt& refusal) {
    refused_ = {newest, file_version, refusal.what()};
    throw;
  }
}

SnapshotShelf NewBase::shelf() const {
  return {open_snapshot_store(settings_.snapshot_url, settings_.cluster, settings_.broker, 1), settings_.cluster};
}

UnfinishedFile NewBase::place() const { return {settings_.database + "-colony-base", mode_of(settings_.database)}; }

UnfinishedFile NewBase::scratch() const {
  return {settings_.database + "-colony-compare", mode_of(settings_.database)};
}

bool NewBase::go_on() const {
  if (settings_.pulse != nullptr) settings_.pulse->advance();
  return settings_.go_on();
}

std::optional<SnapshotName> NewBase::fetch(SnapshotShelf& shelf, const SnapshotShelf::Wanted& wanted,
                                           const UnfinishedFile& place) const {
  return shelf.fetch(
      wanted, place.path(), [this](std::uint64_t, std::uint64_t) { return settings_.go_on(); },
      [](const SnapshotName& rejected, const std::string& why) {
        spdlog::warn("passed over a damaged snapshot name={} why=\"{}\"", rejected.text(), why);
      });
}

// A snapshot of a log that has lost its past since has the same epoch, and another
// entry at its position.
void NewBase::check_history(const UnfinishedFile& base, const SnapshotName& name) const {
  Database db(base.path(), Database::Mode::kReadOnly);
  const std::optional<Message> entry = log_.read(name.position);
  if (!entry || message_hash(entry->data) == NodeFile(db).position_hash()) return;
  throw Halt("the newest snapshot, at " + std::to_string(name.position.value()) +
             ", is of another past than the log has: the broker has lost entries. Give it its former store back");
}

}  // namespace colony
