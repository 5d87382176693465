#include "replicator/apply/log_validation.h"

#include <algorithm>

#include "replicator/log/entry.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

std::string number(Sequence sequence) { return std::to_string(sequence.value()); }

}  // namespace

void LogValidation::check(const LogInfo& info) const {
  observer_.log_seen({info.last, info.held_by});
  if (info.hold != LogHold::kFree) {
    throw Halt(
        "the log is held by colony recover, which compares the nodes, and goes on when that has ended; if it was "
        "interrupted, run colony recover again");
  }
  const std::string known = file_.records.epoch();
  file_.log_state.epoch = known;  // `colony recover` may have moved the file to another log
  if (known.empty() || known == info.epoch) return;
  const std::vector<std::string> former = file_.records.former_epochs();
  if (std::find(former.begin(), former.end(), info.epoch) != former.end()) {
    throw Halt("the log has lost its end: it is one that the colony has left by colony recover (epoch " + info.epoch +
               "). Give the broker its newer store back, or run colony recover on one of the nodes");
  }
  throw LogReplaced("the log is another one (epoch " + info.epoch + ") than this file has absorbed up to position " +
                        number(file_.log_state.position) + " (epoch " + known +
                        "): it was deleted and made anew, or the broker is another colony's. Give the old log back, "
                        "or run colony recover on one of the nodes",
                    known);
}

LogInfo LogValidation::meet() {
  const LogInfo info = log_.info();
  observer_.log_seen({info.last, std::nullopt});
  if (info.entry_bytes_max < kEntryBytesMin) {
    throw Halt("the broker takes messages of " + std::to_string(info.entry_bytes_max) +
               " bytes at most, and Colony needs " + std::to_string(kEntryBytesMin) +
               ": raise max_payload in its configuration to 64 KiB or more");
  }
  check(info);
  if (file_.records.epoch().empty()) {
    WriteTransaction transaction(file_.db);
    file_.records.set_epoch(info.epoch);
    COLONY_STEP("applier.epoch_written");
    transaction.commit();
    COLONY_STEP("applier.epoch_committed");
    file_.log_state.epoch = info.epoch;
  }
  check_past(info);
  return info;
}

// An epoch may come back with an older store of the broker, or with one whose end was
// written again.
void LogValidation::check_past(const LogInfo& info) const {
  const Sequence position = file_.log_state.position;
  if (position > info.last) {
    throw Halt("the log has lost its end: it ends at " + number(info.last) + ", and this file has absorbed it up to " +
               number(position) + ". Give the broker its newer store back, or run colony recover on one of the nodes");
  }
  check_not_cut(info);
  if (position < info.first || position == Sequence()) return;
  const std::optional<Message> message = log_.read(position);
  if (message && message_hash(message->data) != file_.records.position_hash()) {
    throw Halt("the log has changed its past: entry " + number(position) +
               " is another one than this file has absorbed. Give the broker its former store back, or run colony "
               "recover on one of the nodes");
  }
}

void LogValidation::check_not_cut(const LogInfo& info) const {
  if (file_.log_state.position.next() >= info.first) return;
  throw LogCut("the log no longer has entries " + number(file_.log_state.position.next()) + " to " +
               number(Sequence(info.first.value() - 1)) + ", which this file has not absorbed");
}

void LogValidation::check_next(const Message& message) const {
  const Sequence next = file_.log_state.position.next();
  if (message.sequence == next) return;
  if (log_.read(next)) throw LogUnavailable("the broker skipped entries that it has");
  throw LogCut("the log has a gap: after " + number(file_.log_state.position) + " comes " + number(message.sequence) +
               "; what was between was removed from the log before this file has absorbed it");
}

// The rows of who comes first are those on which everybody folds the log.
void LogValidation::check_begins_colony(const std::vector<Message>& messages) const {
  const Identity& self = file_.records.identity();
  for (const Message& message : messages) {
    const std::optional<Entry> entry = decode(message.data, message.origin);
    if (!entry || !std::holds_alternative<HelloEntry>(entry->body)) continue;
    if (entry->origin == self.node && entry->incarnation == self.incarnation) return;
    throw BaseUnknown("the colony was begun by node " + entry->origin + ", and this file has not met it yet");
  }
}

}  // namespace colony
