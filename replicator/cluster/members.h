// The members of a colony: what this file knows of them from the log, and what they
// say of themselves on the cluster status.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "replicator/cluster/heartbeat.h"
#include "replicator/store/node_file.h"

namespace colony {

enum class Standing {
  kLive,     // it has beaten within the last half minute
  kSilent,   // it has not
  kGone,     // not for so long that nobody waits for it any more: see is_gone()
  kUnseen,   // it has said hello in the log, and never beaten
  kJoining,  // it has beaten, and this file has not yet met its hello in the log
  kLeft,     // by its own leave
  kRemoved,  // by another node's
};

const char* to_string(Standing standing);

struct Member {
  std::string node;
  Incarnation incarnation;
  Standing standing = Standing::kUnseen;
  Sequence last_entry;     // of it in the log that counted, or the one by which it left
  std::string removed_by;  // if it was removed
  Home home;
  std::string version;
  std::optional<Heartbeat> heartbeat;  // the latest
  std::optional<std::chrono::seconds> seen_ago;
};

// Nobody waits for a member, in housekeeping, that was not seen for longer than
// `gone_after`. One that has never been seen is not gone: nothing says since when.
bool is_gone(std::optional<std::chrono::seconds> seen_ago, std::chrono::seconds gone_after);

// All there have been, by name; those that left come last. `heartbeats` is null when the
// cluster status could not be read. Reads the file in the caller's transaction.
std::vector<Member> members_of(NodeFile& file, const Heartbeats* heartbeats, std::chrono::seconds gone_after,
                               std::chrono::system_clock::time_point now);

}  // namespace colony
