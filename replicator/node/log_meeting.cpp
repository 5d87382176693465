// The part of the applier that asks whether the log is the one that the file
// remembers, and whether this node is who it says.

#include <algorithm>

#include "replicator/node/applier.h"
#include "replicator/node/departure.h"
#include "replicator/node/publisher.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

std::string number(Sequence sequence) { return std::to_string(sequence.value()); }

}  // namespace

// Whose log is it, and may anybody go on with it?
void Applier::check_log(const LogInfo& info) {
  status_.set_held_by(info.held_by);
  if (info.hold != LogHold::kFree) {
    throw Halt(
        "the log is held by colony recover, which compares the nodes, and goes on when that has ended; if it was "
        "interrupted, run colony recover again");
  }
  const std::string known = file_.epoch();
  if (known.empty() || known == info.epoch) return;
  const std::vector<std::string> former = file_.former_epochs();
  if (std::find(former.begin(), former.end(), info.epoch) != former.end()) {
    throw Halt("the log has lost its end: it is one that the colony has left by colony recover (epoch " + info.epoch +
               "). Give the broker its newer store back, or run colony recover on one of the nodes");
  }
  throw LogReplaced("the log is another one (epoch " + info.epoch + ") than this file has absorbed up to position " +
                        number(position_) + " (epoch " + known +
                        "): it was deleted and made anew, or the broker is another colony's. Give the old log back, "
                        "or run colony recover on one of the nodes",
                    known);
}

// Is this the log that the file remembers?
void Applier::meet_log() {
  const LogInfo info = log_.info();
  status_.set_log_head(info.last);
  if (info.entry_bytes_max < kEntryBytesMin) {
    throw Halt("the broker takes messages of " + std::to_string(info.entry_bytes_max) +
               " bytes at most, and Colony needs " + std::to_string(kEntryBytesMin) +
               ": raise max_payload in its configuration to 64 KiB or more");
  }
  check_log(info);
  if (file_.epoch().empty()) {
    WriteTransaction transaction(db_);
    file_.set_epoch(info.epoch);
    COLONY_STEP("applier.epoch_written");
    transaction.commit();
    COLONY_STEP("applier.epoch_committed");
  }
  if (position_ > info.last) {
    throw Halt("the log has lost its end: it ends at " + number(info.last) + ", and this file has absorbed it up to " +
               number(position_) + ". Give the broker its newer store back, or run colony recover on one of the nodes");
  }
  check_not_cut(info);
  if (position_ >= info.first && position_ != Sequence()) {
    const std::optional<Message> message = log_.read(position_);
    if (message && message_hash(message->data) != file_.position_hash()) {
      throw Halt("the log has changed its past: entry " + number(position_) +
                 " is another one than this file has absorbed. Give the broker its former store back, or run colony "
                 "recover on "
                 "one of the nodes");
    }
  }
  progress_.set_entry_bytes_max(info.entry_bytes_max);
  met_log_ = true;
  COLONY_STEP("applier.met_log");
}

void Applier::check_not_cut(const LogInfo& info) const {
  if (position_.next() >= info.first) return;
  throw LogCut("the log no longer has entries " + number(position_.next()) + " to " +
               number(Sequence(info.first.value() - 1)) + ", which this file has not absorbed");
}

// What the log says of this node: null before its first hello.
const Origin* Applier::self() const {
  const auto found = origins_.find(file_.identity().node);
  return found == origins_.end() ? nullptr : &found->second;
}

// Once this node has left, nothing that it sends counts any more.
void Applier::check_membership() {
  if (self() != nullptr && self()->incarnation == file_.identity().incarnation) return;
  const std::map<Incarnation, Departure> departures = file_.departures();
  const auto own = departures.find(file_.identity().incarnation);
  if (own != departures.end()) throw Halt(departure_message(file_.identity(), own->second));
}

void Applier::check_name() {
  check_membership();
  const Identity& identity = file_.identity();
  const Origin* const holder = self();
  if (holder == nullptr) return;
  const std::string elsewhere = holder->host + ":" + holder->path;
  const std::string rename = "colony init DB --cluster " + identity.cluster + " --node NEW";
  if (holder->incarnation != identity.incarnation) {
    throw Halt("the name " + identity.node + " in colony " + identity.cluster + " belongs to " + elsewhere +
               ": stop this sidecar and give the file another one (" + rename + " --keep-pending)");
  }
  const bool here = holder->host == options_.home.host && holder->path == options_.home.path;
  if (introduced_ && !here) {
    throw Halt("a copy of this file speaks as node " + identity.node + " at " + elsewhere +
               ": stop one of the two, and give the copy a name of its own (" + rename + ")");
  }
  introduced_ = here;
}

void Applier::check_next(const Message& message) {
  if (message.sequence == position_.next()) return;
  if (log_.read(position_.next())) throw LogUnavailable("the broker skipped entries that it has");
  throw LogCut("the log has a gap: after " + number(position_) + " comes " + number(message.sequence) +
               "; what was between was removed from the log before this file has absorbed it");
}

}  // namespace colony
