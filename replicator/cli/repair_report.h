// What `colony repair` says: for people line by line, for programs as one JSON document.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "replicator/repair/repair.h"
#include "replicator/snapshot_store/snapshot_name.h"

namespace colony::cli {

enum class RepairAction { kShow, kKeepMine, kTakeTheirs };

struct RepairReport {
  Identity self;
  SnapshotName base;
  Sequence position;
  std::int64_t pending = 0;
  Repair::Found found;
  bool null_keys_stay = false;  // in wal mode rows with NULL in the key are this node's own
  std::vector<std::string> unknown_tables;
  RepairAction action = RepairAction::kShow;
  bool dry_run = false;
  // After the change: what it has changed.
  Repair::Change change;
  // Before it: where my rows would go.
  std::string would_keep_in;

  std::uint64_t rows() const;
  // Also rows that cannot be repaired.
  bool differs() const;
  bool has_irreparable_rows() const;
};

// Prints what differs, `limit` rows of each table at most, which `repair` still reads.
void print_differences(const RepairReport& report, Repair& repair, std::uint64_t limit);
// Prints what was done about it, or would be.
void print_change(const RepairReport& report);

// The same, and what differs, as JSON: first the rows, while they can be read.
std::vector<std::string> rows_as_json(const RepairReport& report, Repair& repair, std::uint64_t limit);
void print_json(const RepairReport& report, const std::vector<std::string>& rows_of_tables);

}  // namespace colony::cli
