#include "replicator/snapshots/snapshot_catch_up.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "replicator/apply/snapshot_install.h"
#include "replicator/compare/table_comparison.h"
#include "replicator/snapshots/initial_comparison.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

// Of those that will do; empty if there is none.
std::string newest_of(SnapshotCatalog& catalog, const SnapshotCatalog::Wanted& wanted) {
  std::string newest;
  for (const CatalogedSnapshot& snapshot : catalog.list()) {
    const SnapshotName& name = snapshot.name;
    const bool will_do = name.epoch == wanted.epoch && name.position >= wanted.from && name.position <= wanted.to;
    if (will_do) newest = name.text();
  }
  return newest;
}

}  // namespace

SnapshotCatchUp::SnapshotCatchUp(Settings settings, Log& log, Applier& applier, StateReports& reports)
    : settings_(std::move(settings)), log_(log), applier_(applier), reports_(reports) {}

bool SnapshotCatchUp::meet(const BaseUnknown& unknown) {
  if (settings_.snapshot_url.empty()) {
    go_on_alone();
    return true;
  }
  SnapshotCatalog catalog = this->catalog();
  const LogInfo info = log_.info();
  const Sequence reaches_log(info.first.value() - 1);
  const SnapshotCatalog::Wanted wanted{info.epoch, std::max(applier_.position().next(), reaches_log), info.last};
  const std::string newest = newest_of(catalog, wanted);
  check_not_refused(newest);
  const StagingFile base = place();
  const auto name = newest.empty() ? std::nullopt : fetch(catalog, wanted, base);
  if (!name) {
    tell_wait(std::string(unknown.what()) + ": waiting for a snapshot in " + catalog.url() +
              " to compare with; one of its nodes must run, and will make one");
    return false;
  }
  reports_.show(State::kCatchingUp, std::string(unknown.what()) + ": comparing its rows with the colony's");
  COLONY_STEP("comparison.fetched");
  check_history(base, *name);
  install(base, newest, OwnRows::kCompared);
  spdlog::info("joined from a snapshot position={} made={} by={} store={}", name->position.value(),
               utc_text(name->made_s), name->node, catalog.url());
  return true;
}

void SnapshotCatchUp::compare(const StagingFile& base) {
  const StagingFile scratch = this->scratch();
  InitialComparison({settings_.database, base.path(), scratch.path(), std::nullopt, settings_.begin}, log_,
                    [this](std::uint64_t, std::uint64_t) { return go_on(); })
      .check();
}

// The first one comes at once when a colony begins.
void SnapshotCatchUp::tell_wait(const std::string& why) {
  constexpr std::chrono::seconds kNoNewsFor{3};
  const auto now = std::chrono::steady_clock::now();
  if (!waiting_since_) waiting_since_ = now;
  if (now - *waiting_since_ < kNoNewsFor) return reports_.show(State::kCatchingUp, why);
  reports_.report(State::kCatchingUp, why);
}

// Empty tables are taken for those with which the colony began; rows cannot be.
void SnapshotCatchUp::go_on_alone() {
  check_not_refused("");
  const StagingFile scratch = this->scratch();
  copy_without_node(
      settings_.database, scratch.path(), [this](std::uint64_t, std::uint64_t) { return go_on(); }, settings_.begin);
  Database own(scratch.path(), Database::Mode::kReadOnly), file(settings_.database, Database::Mode::kReadOnly);
  if (!has_no_rows(own) || NodeFile(file).merged() != ChunkNumber()) {
    refused_ = {"", std::nullopt,
                "this file had rows before it joined, and with --snapshots none they cannot be compared with the "
                "colony's: start it with --snapshots, or begin with a file whose tables are empty"};
    throw BaseDiffers(refused_->why);
  }
  applier_.trust_own_base();
}

void SnapshotCatchUp::take(const LogCut& cut) {
  if (!applier_.has_met_colony() && !settings_.snapshot_url.empty()) {
    if (!meet(BaseUnknown(cut.what()))) throw Halt(cut.what());
    return;
  }
  const std::string why = cut.what();
  if (settings_.snapshot_url.empty()) throw Halt(why + ", and --snapshots is none");
  SnapshotCatalog catalog = this->catalog();
  const LogInfo info = log_.info();
  const Sequence reaches_log(info.first.value() - 1);
  const SnapshotCatalog::Wanted wanted{info.epoch, std::max(applier_.position().next(), reaches_log), info.last};
  const Halt none(why + ", and " + catalog.url() +
                  " has no snapshot that goes beyond them: wait until a node has made one, or run colony snapshot "
                  "there");
  const std::string newest = newest_of(catalog, wanted);
  if (newest.empty()) throw none;
  check_not_refused(newest);
  reports_.report(State::kCatchingUp, why + ": taking a snapshot from " + catalog.url());
  const StagingFile base = place();
  const auto name = fetch(catalog, wanted, base);
  if (!name) throw none;
  COLONY_STEP("install.fetched");
  check_history(base, *name);
  install(base, newest);
  spdlog::info("installed a snapshot position={} made={} by={}", name->position.value(), utc_text(name->made_s),
               name->node);
}

void SnapshotCatchUp::take(const LogReplaced& replaced) {
  if (settings_.snapshot_url.empty()) throw Halt(replaced.what());
  SnapshotCatalog catalog = this->catalog();
  const LogInfo info = log_.info();
  const SnapshotCatalog::Wanted wanted{info.epoch, Sequence(info.first.value() - 1), info.last};
  const std::string newest = newest_of(catalog, wanted);
  if (newest.empty()) throw Halt(replaced.what());
  check_not_refused(newest);
  const StagingFile base = place();
  const auto name = fetch(catalog, wanted, base);
  if (!name) throw Halt(replaced.what());
  reports_.report(State::kCatchingUp,
                  "the colony has gone on with a new log: taking its snapshot from " + catalog.url());
  check_history(base, *name);
  install(base, newest);
  spdlog::info("went on with the log that colony recover has begun epoch={} after={} position={} by={}", info.epoch,
               replaced.former_epoch(), name->position.value(), name->node);
}

void SnapshotCatchUp::check_not_refused(const std::string& newest) const {
  if (!refused_ || refused_->newest != newest) return;
  if (refused_->file_version && *refused_->file_version != applier_.file_version()) return;
  throw Halt(refused_->why);
}

void SnapshotCatchUp::install(const StagingFile& base, const std::string& newest, OwnRows own_rows) {
  refused_.reset();
  const std::int64_t file_version = applier_.file_version();
  try {
    if (own_rows == OwnRows::kCompared) compare(base);
    applier_.install(base.path(), own_rows);
  } catch (const IncompatibleBase& refusal) {
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

SnapshotCatalog SnapshotCatchUp::catalog() const {
  return {open_snapshot_store(settings_.snapshot_url, settings_.cluster, settings_.broker, 1), settings_.cluster};
}

StagingFile SnapshotCatchUp::place() const {
  return {settings_.database + "-colony-base", mode_of(settings_.database)};
}

StagingFile SnapshotCatchUp::scratch() const {
  return {settings_.database + "-colony-compare", mode_of(settings_.database)};
}

bool SnapshotCatchUp::go_on() const {
  if (settings_.loop_progress != nullptr) settings_.loop_progress->advance();
  return settings_.go_on();
}

std::optional<SnapshotName> SnapshotCatchUp::fetch(SnapshotCatalog& catalog, const SnapshotCatalog::Wanted& wanted,
                                                   const StagingFile& place) const {
  return catalog.fetch(
      wanted, place.path(), [this](std::uint64_t, std::uint64_t) { return settings_.go_on(); },
      [](const SnapshotName& rejected, const std::string& why) {
        spdlog::warn("ignored a damaged snapshot name={} why=\"{}\"", rejected.text(), why);
      });
}

// A snapshot of a log that has lost its past since has the same epoch, and another
// entry at its position.
void SnapshotCatchUp::check_history(const StagingFile& base, const SnapshotName& name) const {
  Database db(base.path(), Database::Mode::kReadOnly);
  const std::optional<Message> entry = log_.read(name.position);
  if (!entry || message_hash(entry->data) == NodeFile(db).position_hash()) return;
  throw Halt("the newest snapshot, at " + std::to_string(name.position.value()) +
             ", is of another past than the log has: the broker has lost entries. Give it its former store back");
}

}  // namespace colony
