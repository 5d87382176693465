// A snapshot as it lies in its store: a whole SQLite file, compressed, with what
// proves that it came through unharmed. docs/formats.md has the layout: frames of
// the zstd format throughout, so that `zstd -d` gives the SQLite file.
//
// Both directions stream: memory does not grow with the file. Threads: none of
// these objects is shared. Errors: SnapshotDamaged for bytes that are not what was
// written, DiskRefusal for the disk's refusals, Interrupted when `go_on` says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "replicator/log/error.h"
#include "replicator/log/names.h"

namespace colony {

class SnapshotDamaged : public Error {
 public:
  using Error::Error;
};

// This machine's disk has no room for it, or cannot be written.
class DiskRefusal : public Error {
 public:
  using Error::Error;
};

// What stands before the content, in plain text.
struct SnapshotHeader {
  std::string cluster;
  std::string epoch;
  Sequence position;
  std::uint64_t bytes = 0;  // of the SQLite file

  bool operator==(const SnapshotHeader&) const = default;
};

// Compresses the SQLite file at `from` into a new file at `to`, which is flushed
// to the disk and as private as `from`. `header.bytes` is filled in here.
void write_snapshot_file(SnapshotHeader header, const std::string& from, const std::string& to,
                         const std::function<bool(std::uint64_t done, std::uint64_t total)>& go_on);

// Takes the bytes of a snapshot file in slices and writes the SQLite file to `to`.
// Unless finish() has returned, that file is nothing to be used.
class SnapshotUnpacker {
 public:
  // Called once the header is there, before anything is written: may throw.
  using OnHeader = std::function<void(const SnapshotHeader&)>;

  // An empty `to`: only checks.
  SnapshotUnpacker(const std::string& to, OnHeader on_header);
  ~SnapshotUnpacker();

  void write(std::string_view bytes);
  // Throws SnapshotDamaged if something is missing; else the file is on the disk.
  void finish();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace colony
