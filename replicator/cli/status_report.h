// What `colony status` finds out of a node: from its file, from the sidecar's mapped
// status beside it, and from the write-ahead log.
//
// Errors: Error with one line. Needs neither a sidecar nor a broker.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replicator/compare/checks.h"
#include "replicator/status/status.h"
#include "replicator/store/node_file.h"
#include "replicator/store/wal_index.h"

namespace colony::cli {

// Of the write-ahead log and its locks.
struct LogFile {
  std::uint64_t bytes = 0;
  WalIndex::Fill fill;
  std::vector<LockHolder> writers, readers;  // other processes; see wal_index.h
};

struct StatusReport {
  Identity identity;
  std::string capture;      // the mode
  std::int64_t format = 0;  // of the file
  Sequence position;
  std::int64_t pending = 0;
  std::int64_t conflicts = 0;
  std::optional<Departure> departure;  // if it is no member any more
  std::vector<std::string> tables;
  // In wal mode: those of them whose key allows NULL. Rows that have one stay on the node.
  std::vector<std::string> null_keys;
  std::vector<Drift> drift;  // tables in which this node differs from the others
  std::vector<std::string> warnings;
  // What an operator must see to, a line each; empty: all is well.
  std::vector<std::string> troubles;
  StatusView sidecar;
  LogFile log_file;
  Trust trust;
};

StatusReport read_status_report(const std::string& path);

// The sidecar's state; or `differs`, where that is all that is wrong.
std::string state_of(const StatusReport& report);

// For how long what is told has lasted; nothing while that is the ordinary course of
// things.
std::optional<double> lock_wait_s(const StatusReport& report);
std::optional<double> checkpoint_blocked_s(const StatusReport& report);
double seconds_since(std::chrono::steady_clock::time_point since);

// Entries that the log has and the file has not absorbed.
std::uint64_t lag_of(const StatusReport& report);

// What is being caught up with: entries of the log, or transactions of the outbox.
struct Backlog {
  std::uint64_t done = 0;
  std::uint64_t left = 0;
  double per_s = 0;

  // Nothing if that cannot be told yet.
  std::optional<std::int64_t> seconds_left() const;
};

// Nothing if there is nothing to catch up with, or so little that it is not worth telling.
std::optional<Backlog> catching_up(const StatusReport& report);
std::optional<Backlog> sending(const StatusReport& report);

// One JSON document, and lines for people: on the standard output.
void print_json(const StatusReport& report);
void print_text(const StatusReport& report);

}  // namespace colony::cli
