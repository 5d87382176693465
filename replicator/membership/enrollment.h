// `colony init` and `colony detach`: making a file a node of a colony, and giving
// it back.
//
// Each is one SQLite transaction; the app may have the file open. Errors: Error
// with one line that says what to do; the file is then as it was.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"
#include "replicator/store/schema_agreement.h"

namespace colony {

struct EnrollRequest {
  std::string path;
  std::string cluster;
  std::string node;
  // Which tables to replicate. Nothing: as chosen before, or else all that can be.
  std::optional<std::vector<std::string>> tables = std::nullopt;
  // A file that gets another name keeps its unsent transactions, as its own, and
  // may stay where it is: nobody else will send them, as when it is a backup that
  // was put back and written to. Otherwise they are taken out of the rows, and
  // come back when the file that this is a copy of sends them.
  bool keep_pending = false;
  // Nothing: as chosen before, or else kIndex. For session mode.
  std::optional<GuardKind> guard = std::nullopt;
  // Nothing: as chosen before, or else kSession.
  std::optional<CaptureMode> capture = std::nullopt;
  // All rows of the replicated tables become the node's first transaction (merge.h).
  bool merge = false;
  // Called when nothing has been changed yet, with the tables that programs could write
  // without colony.so until then and cannot any more. May throw, to leave it all as it is.
  std::function<void(const std::vector<std::string>& tables)> before_change = [](const auto&) {};
};

struct LeftOut {
  std::string table;
  std::string why;
};

struct EnrollReport {
  enum class Outcome { kNew, kUnchangedIdentity, kCopyRenamed, kRejoined };

  Outcome outcome = Outcome::kNew;
  std::string former_node;  // of whom it was a copy, or who it was until that left
  std::uint64_t merged_rows = 0;
  std::int64_t pending = 0;  // transactions of the copy that were not in the log: kept, or taken out
  std::vector<std::string> replicated;
  std::vector<LeftOut> left_out;
  // Of tables that were replicated before, or are newly so: what people should know, to be
  // put after the table's name.
  std::vector<ChangedTable> changes;
  std::int64_t unchecked = 0;              // tables that were accepted and not compared with the other nodes' yet
  std::vector<std::string> self_numbered;  // keys that SQLite picks: two nodes may pick the same
  CaptureMode capture = CaptureMode::kSession;
  bool capture_changed = false;
  std::vector<std::string> null_keys;  // tables with keys that allow NULL, in wal mode: such rows stay here
};

EnrollReport enroll(const EnrollRequest& request);

struct DetachReport {
  std::string node, cluster;  // who it was
  bool is_member = false;     // it has not left: the others know it, and wait for it
  std::int64_t unsent_transactions = 0;
  std::string journal_mode;  // after
};

DetachReport detach(const std::string& path);

// A random one.
Incarnation new_incarnation();

// Where a file lives now. Throws Error if there is none.
Home home_of(const std::string& path);

// Opens `path` for the command line. Throws Error, with one line, if it is
// missing, no SQLite database (an encrypted one is none), held by another process alone
// (locking_mode=EXCLUSIVE) or not to be read (or written, if that is asked).
Database open_database(const std::string& path, Database::Mode mode);

}  // namespace colony
