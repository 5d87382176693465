// Two nodes over a log in memory, of which programs write to one by any SQLite while it has
// no sidecar: what its capture then has to find out.
#pragma once

#include <memory>
#include <string>

#include "replicator/repair/missed_changes.h"
#include "replicator/snapshot_store/snapshot_catalog.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/repair/capture_since.h"
#include "tests/unit/temporary_folder.h"

namespace colony::unit {

class MissedColony {
 public:
  enum class Met { kBoth, kAlone, kNobody };
  // Both files begin with `schema`, which may have rows, and meet; or a begins the colony alone,
  // or has not begun.
  explicit MissedColony(const std::string& schema, Met met = Met::kBoth);

  MemoryNode& app(const std::string& node) { return node == "a" ? *app_a_ : *app_b_; }
  MemorySidecar& node(const std::string& node) { return node == "a" ? *a_ : *b_; }
  std::string path(const std::string& node) const { return folder_ / (node + ".db"); }
  const TemporaryFolder& folder() const { return folder_; }
  MemoryStream& stream() { return stream_; }

  void settle() { unit::settle({a_.get(), b_.get()}); }
  // The rows of a node as of its position, as the base of comparisons to come.
  void snapshot(const std::string& node);
  std::string base() const { return folder_ / "base"; }

  // The same, where sidecars find it.
  void store_snapshot(const std::string& node);
  SnapshotCatalog catalog() const;

  // Node a has no sidecar, and nothing watches what is written to its file.
  void a_is_left_alone();
  // By an SQLite without extension.
  void write(const std::string& sql);
  // The same, and the write-ahead log is begun anew.
  void meddle(const std::string& sql);
  // Its sidecar is back.
  void a_goes_on();

  // What is new in the outbox of a, as tests show changes; `--` between transactions.
  std::string capture_missed(const std::string& meanwhile = "");

  // Schema and rows of a node, without what is Colony's.
  std::string state(const std::string& node);

 private:
  TemporaryFolder folder_;
  MemoryStream stream_;
  std::unique_ptr<MemoryNode> app_a_, app_b_;
  std::unique_ptr<MemorySidecar> a_, b_;
  int snapshots_ = 0;
};

}  // namespace colony::unit
