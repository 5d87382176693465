// The log as the loops see it: the one order that all nodes share.
//
// A port. JetStreamLog (jetstream_log.h) is the real one, and the simulator
// has another in memory that delays, repeats and refuses.
//
// Threads: info(), read() and fetch() are called by one thread (the applier's),
// publish() by another (the publisher's); interrupt() and the publish failure
// counters by any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/log/names.h"

namespace colony {

// Whether entries are taken just now.
enum class LogHold {
  kFree,
  kHeld,  // by `colony recover`, which compares the nodes: nothing is taken, and nobody may go on
  kAnew,  // likewise, and its epoch is a new one already, to which one node's file moves first
};

struct LogInfo {
  std::string epoch;                // random, written when the log was created
  std::int64_t created_ns = 0;      // the server's creation time of the log, since 1970
  Sequence first;                   // the oldest message still there; last + 1 when empty
  Sequence last;                    // 0 when there never was any
  std::size_t entry_bytes_max = 0;  // the largest entry that can be published
  std::uint64_t entries = 0;        // that are there
  std::uint64_t bytes = 0;          // that they take at the broker
  std::int64_t oldest_ns = 0;       // when the first of them was taken, since 1970
  LogHold hold = LogHold::kFree;
  std::string held_by = {};  // which run of `colony recover` holds it, as a random token
};

struct Message {
  Sequence sequence;
  std::string origin;        // the last token of the subject: who the broker says it is from
  std::string data;          // not yet decoded; may be anything
  std::int64_t time_ns = 0;  // when the broker took it, since 1970; decides nothing
};

struct FetchLimits {
  std::size_t messages = 1024;
  std::size_t bytes = 4u << 20;  // stop after the message that reaches it
};

class Log {
 public:
  virtual ~Log() = default;

  // Connects if need be, creates the log if it is missing, and tells what it is
  // like now. Throws LogUnavailable, or Halt when a stream of that name is there
  // that Colony did not make or whose settings would lose entries.
  virtual LogInfo info() = 0;

  // The message at `sequence`, or nothing when the log does not have it.
  virtual std::optional<Message> read(Sequence sequence) = 0;

  // The messages from `from` on, in order, as soon as there is at least one;
  // empty when none came within `wait`. A first message beyond `from`, or a hole
  // between two, means that the log no longer has what is missing: the caller
  // checks. Throws LogUnavailable when the connection was lost or re-made since
  // the last info(): what was true of the log then may be false now.
  virtual std::vector<Message> fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) = 0;

  // Hands an entry to the broker under this node's own subject. That it
  // returned says nothing about whether the log took it: that is learned by
  // reading the log. Throws LogUnavailable when there is no connection: nothing
  // is kept to be sent later.
  virtual void publish(std::string_view entry) = 0;

  // How many publishes the broker has refused or left unanswered so far, and
  // the text of the latest such failure.
  virtual std::uint64_t publish_failures() const = 0;
  virtual std::string publish_failure() const = 0;

  // How far the log reached when a message or an info() last told.
  virtual Sequence last_known() const = 0;

  // Makes calls in progress and later ones throw Interrupted.
  virtual void interrupt() = 0;
};

}  // namespace colony
