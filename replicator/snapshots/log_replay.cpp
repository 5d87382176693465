#include "replicator/snapshots/log_replay.h"

#include "replicator/apply/applier.h"
#include "replicator/snapshots/log_until.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

constexpr std::chrono::milliseconds kFetchWait{500};

std::string number(Sequence sequence) { return std::to_string(sequence.value()); }

}  // namespace

void replay_log(const std::string& path, Log& log, Sequence target, const GoOn& go_on) {
  {
    Database db(path, Database::Mode::kReadWrite);
    if (NodeFile(db).position() == target) return;
    upgrade_layout(db);
  }
  if (const Sequence last = log.info().last; last < target) {
    throw Error("the log ends at " + number(last) + ", before " + number(target));
  }
  LogUntil until(log, target);
  ApplierObserver nobody;
  Applier applier(path, until, nobody, {});
  try {
    while (applier.position() < target) {
      applier.step(kFetchWait);
      if (!go_on(applier.position().value(), target.value())) throw Interrupted();
    }
  } catch (const Halt& halt) {
    throw Error("restored as far as position " + number(applier.position()) + ", and no further: " + halt.what());
  }
}

}  // namespace colony
