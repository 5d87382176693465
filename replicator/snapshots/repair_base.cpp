#include "replicator/snapshots/repair_base.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

std::string number(Sequence sequence) { return std::to_string(sequence.value()); }

std::string what_there_is(SnapshotCatalog& catalog, const std::string& epoch) {
  std::string positions;
  for (const CatalogedSnapshot& snapshot : catalog.list()) {
    if (snapshot.name.epoch == epoch) positions += " " + number(snapshot.name.position);
  }
  if (positions.empty()) return catalog.url() + " has no snapshot of this log: run colony snapshot on another node";
  return "snapshots in " + catalog.url() + " are at" + positions;
}

[[noreturn]] void refuse(SnapshotCatalog& catalog, const std::string& epoch, Sequence position,
                         const std::optional<LogInfo>& log) {
  const std::string here = "what the rows must be at position " + number(position) + " is not known any more: ";
  const std::string what = what_there_is(catalog, epoch);
  if (!log) throw Error(here + what + "; say by --nats where the log is");
  throw Error(here + what + ", and the log begins at " + number(log->first) +
              ". Wait until this node has come further than the oldest of them; one that cannot go on has to be built "
              "anew: see A node differs, in docs/operations.md");
}

}  // namespace

StagingFile repair_place(const std::string& database) {
  remove_staging_files(database, kRepairSuffix);
  return {database + kRepairSuffix + std::to_string(getpid()), mode_of(database)};
}

SnapshotName fetch_repair_base(NodeFile& file, Log* log, SnapshotCatalog& catalog, const std::string& to,
                               const GoOn& go_on) {
  const Identity self = file.identity();
  const Sequence position = file.position();
  const std::string epoch = file.epoch();
  if (position == Sequence()) {
    throw Error("node " + self.node + " has not yet met its colony: start colony run first");
  }
  std::optional<LogInfo> info;
  if (log != nullptr) info = log->info();
  if (info && info->epoch != epoch) {
    throw Error("the log is another one (epoch " + info->epoch + ") than this file has absorbed (" + epoch +
                "): see What to do when the broker has forgotten, in docs/operations.md");
  }
  SnapshotCatalog::Wanted wanted{epoch, position, position, self.node};
  if (info && info->first <= position.next()) wanted.from = Sequence(info->first.value() - 1);
  const auto on_rejected = [](const SnapshotName& rejected, const std::string& why) {
    spdlog::warn("ignored a damaged snapshot name={} why=\"{}\"", rejected.text(), why);
  };
  std::optional<SnapshotName> name = catalog.fetch(wanted, to, go_on, on_rejected);
  wanted.not_by.clear();
  if (!name) name = catalog.fetch(wanted, to, go_on, on_rejected);
  if (!name) refuse(catalog, epoch, position, info);
  COLONY_STEP("repair.base_fetched");
  return *name;
}

}  // namespace colony
