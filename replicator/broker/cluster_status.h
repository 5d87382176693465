// The cluster status: a JetStream key-value bucket, COLONY_<cluster>, that holds the nodes'
// heartbeats, for people and housekeeping. It never decides what a fold does: whatever it
// says, and if it is lost, all nodes come to the same rows.
//
// Leases say who does a chore, "one node at a time makes a snapshot", say. They are
// atomic at one broker; but a holder that was cut off or slept goes on believing in
// its lease until it asks again, and a broker that lost its store or is split may
// give one lease twice. TWO MAY HOLD A LEASE AT ONCE: a chore must come to no harm
// when two do it; a lease only spares them the work.
//
// Time is the broker's, in the stamps that it gives to entries; no node's clock
// makes a lease end.
//
// A connection of its own, opened by the first call and re-made by the next call
// after a loss. Threads: one at a time, except interrupt(): any. Errors of all
// calls: LogUnavailable (try again later), Interrupted.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/broker/broker_settings.h"
#include "replicator/log/names.h"

namespace colony {

struct ClusterStatusSettings {
  BrokerSettings broker = {};  // where it is, and who we are to it
  std::string cluster = {};    // the colony's name
  int replicas = 1;            // of the bucket, when it is created
  bool read_only = false;      // never create the bucket: entries() of a missing one are none
  std::string client_name = "colony";
};

struct ClusterStatusEntry {
  std::string key;
  std::string text;
  std::int64_t written_ns = 0;  // by the broker's clock, since 1970
  std::uint64_t revision = 0;
};

class ClusterStatus {
 public:
  // Touches no network. Throws Error on malformed settings.
  explicit ClusterStatus(ClusterStatusSettings settings);
  ~ClusterStatus();

  ClusterStatus(const ClusterStatus&) = delete;
  ClusterStatus& operator=(const ClusterStatus&) = delete;

  // Replaces the entry `key`. Keys hold letters, digits, '-', '_' and '.'.
  void put(const std::string& key, const std::string& text);

  // All entries that there are, in no particular order.
  std::vector<ClusterStatusEntry> entries();

  // Takes the lease `what` for `who`, if it is free, has ended or is already theirs;
  // it then ends in `seconds`, or with renew() so long after that. False while
  // somebody else has it. `what` is a word of letters, digits and '-'.
  bool take(const std::string& what, const std::string& who, std::chrono::seconds seconds);

  // False if `who` has it no longer: stop, or finish what does no harm.
  bool renew(const std::string& what, const std::string& who, std::chrono::seconds seconds);

  // Lets go of it. Nothing happens if `who` does not have it.
  void release(const std::string& what, const std::string& who);

  // How far the colony's log reaches, by the broker; nothing if it has none.
  std::optional<Sequence> log_end();

  // Ends a call in progress, and makes later ones throw Interrupted.
  void interrupt();

 private:
  class Bucket;
  class CloseOnFailure;

  std::shared_ptr<Bucket> bucket();
  std::optional<std::int64_t> broker_time_ns(Bucket& bucket);
  bool write_lease(Bucket& bucket, const std::string& what, const std::optional<ClusterStatusEntry>& former,
                   const std::string& who, std::chrono::seconds seconds);

  const ClusterStatusSettings settings_;
  const std::vector<std::string> urls_;
  std::mutex mutex_;                // held to copy or replace the pointer only
  std::shared_ptr<Bucket> bucket_;  // guarded by mutex_
  std::atomic<bool> interrupted_{false};
};

}  // namespace colony
