#include "tests/sim/memory_log.h"

#include <algorithm>

#include "replicator/log/error.h"

namespace colony::sim {

Sequence MemoryLog::append(const std::string& origin, std::string data) {
  const Sequence next = last().next();
  messages_.push_back({next, origin, std::move(data), static_cast<std::int64_t>(next.value())});
  return last();
}

LogInfo MemoryLog::info() const {
  LogInfo info{epoch_, 1, first_, last(), entry_bytes_max_};
  if (is_held_) info.hold = LogHold::kHeld, info.held_by = "token";
  return info;
}

// What stood before is gone; in its places is what nobody reads.
void MemoryLog::begin_anew(const std::string& epoch, Sequence base) {
  epoch_ = epoch;
  first_ = base.next();
  messages_.resize(base.value());
  for (std::size_t i = 0; i < messages_.size(); ++i) messages_[i] = {Sequence(i + 1), "", ""};
}

std::optional<Message> MemoryLog::read(Sequence sequence) const {
  if (sequence < first_ || sequence > last() || sequence == Sequence()) return std::nullopt;
  return messages_[sequence.value() - 1];
}

void Wire::send(const std::string& origin, std::string data, unsigned copies_permille, Random& random) {
  packets_.push_back({origin, std::move(data), copies_permille});
  if (random.permille(copies_permille)) packets_.push_back(packets_.back());
}

void Wire::deliver_one(Random& random) {
  if (packets_.empty()) return;
  const std::size_t at = random.below(packets_.size());
  if (!log_.is_held()) log_.append(packets_[at].origin, packets_[at].data);
  if (random.permille(packets_[at].copies_permille)) return;
  packets_.erase(packets_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Wire::deliver_all() {
  for (Packet& packet : packets_) {
    if (!log_.is_held()) log_.append(packet.origin, std::move(packet.data));
  }
  packets_.clear();
}

void LogLink::check_connected() {
  if (offline_) throw LogUnavailable("offline");
  if (!happens(faults_.disconnects)) return;
  informed_ = false;
  throw LogUnavailable("the connection broke");
}

LogInfo LogLink::info() {
  check_connected();
  informed_ = true;
  last_known_ = log_.last();
  return log_.info();
}

std::optional<Message> LogLink::read(Sequence sequence) {
  check_connected();
  return log_.read(sequence);
}

std::vector<Message> LogLink::fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds) {
  check_connected();
  if (!informed_) throw LogUnavailable("the connection was re-made");
  std::vector<Message> found;
  if (happens(faults_.fetches_nothing)) return found;
  const std::size_t most = happens(faults_.fetches_few) ? 1 + random_->below(3) : limits.messages;
  std::size_t bytes = 0;
  // A consumer that is asked for what was purged begins where it can.
  for (Sequence at = std::max(from, log_.info().first); at <= log_.last(); at = at.next()) {
    found.push_back(*log_.read(at));
    bytes += found.back().data.size();
    if (found.size() >= most || bytes >= limits.bytes) break;
  }
  if (!found.empty()) last_known_ = std::max(last_known_, found.back().sequence);
  return found;
}

void LogLink::tell(const char* fate) const {
  if (on_publish_) on_publish_(fate);
}

void LogLink::publish(std::string_view entry) {
  if (offline_) throw LogUnavailable("offline");
  if (happens(faults_.publish_fails_before)) {
    tell("failed before it was sent");
    throw LogUnavailable("publish failed");
  }
  if (happens(faults_.publish_vanishes)) return tell("vanished");
  if (log_.is_held() || happens(faults_.publish_refused)) {
    ++failures_;
    return tell("refused");
  }
  if (happens(faults_.publish_delayed)) {
    wire_.send(node_, std::string(entry), faults_.copies, *random_);
    tell("is on its way");
  } else {
    log_.append(node_, std::string(entry));
    tell("taken");
  }
  if (happens(faults_.publish_fails_after)) throw LogUnavailable("no answer to a publish");
}

}  // namespace colony::sim
