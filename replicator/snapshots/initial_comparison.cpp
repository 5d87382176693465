#include "replicator/snapshots/initial_comparison.h"

#include "replicator/apply/applier.h"
#include "replicator/compare/table_comparison.h"
#include "replicator/snapshots/log_until.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr std::chrono::milliseconds kFetchWait{500};

}  // namespace

void InitialComparison::check() {
  {
    Database db(files_.database, Database::Mode::kReadOnly);
    const Identity self = NodeFile(db).identity();
    cluster_ = self.cluster;
    node_ = self.node;
  }
  copy_without_node(files_.database, files_.scratch, go_on_, files_.begin);
  COLONY_STEP("comparison.copied");
  Database snapshot(files_.snapshot, Database::Mode::kReadOnly);
  bool has_none = false;
  {
    Database own(files_.scratch, Database::Mode::kReadOnly);
    has_none = has_no_rows(own);
    if (const auto differs = compare_definitions(own, snapshot, has_none); !differs.empty()) {
      throw Halt("the tables of this file are not defined as the colony's: " + to_string(differs) +
                 ". Nothing of it was sent or changed. Give it the colony's definitions, run colony init "
                 "again, and this node goes on by itself; or begin with no file, from the colony's snapshot");
    }
  }
  if (has_none) return;
  const bool has_replayed = replay(NodeFile(snapshot).position());
  COLONY_STEP("comparison.replayed");
  Database own(files_.scratch, Database::Mode::kReadOnly);
  const auto differs = compare_rows(own, snapshot, [this] {
    if (!go_on_(0, 0)) throw Interrupted();
  });
  if (differs.empty()) return;
  refuse(to_string(differs) + (has_replayed ? "" : " (as of now: the log no longer reaches back to its beginning)"));
}

// What the log has done to the rows with which the colony began, it does to the copy. False
// if it has forgotten its beginning.
bool InitialComparison::replay(Sequence target) {
  LogUntil log(log_, target);
  ApplierObserver nobody;
  Applier::Options options;
  options.spill = files_.spill;
  Applier applier(files_.scratch, log, nobody, options);
  try {
    while (applier.position() < target) {
      applier.step(kFetchWait);
      if (!go_on_(applier.position().value(), target.value())) throw Interrupted();
    }
  } catch (const LogCut&) {
    return false;
  } catch (const LogUnavailable&) {
    throw;
  } catch (const Halt& halt) {
    throw Halt(std::string("this file cannot be compared with the colony's rows: ") + halt.what());
  }
  return true;
}

void InitialComparison::refuse(const std::string& what) const {
  throw BaseDiffers("this file had rows before it joined that are not the colony's: " + what +
                    ". Nothing of it was sent or changed. To add its rows to the colony's: stop this sidecar, and run "
                    "colony init " +
                    files_.database + " --cluster " + cluster_ + " --node " + node_ +
                    " --merge; to have the colony's rows alone, begin with no file");
}

}  // namespace colony
