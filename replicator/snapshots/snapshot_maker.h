// Copies of a node's file, made while its app and its sidecar go on working.
//
// Each begins as a copy of the pages as of one read transaction: until it is made,
// the write-ahead log cannot be reset. Of a file in wal mode that must be one of a captured
// state (`begin`), where what is pending is taken out of it. Beside `to` there must be room for the whole
// file meanwhile. Threads: any, on connections of their own. Errors: Error,
// Interrupted when `go_on` says so; no unfinished file is left behind.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "replicator/snapshot_store/snapshot_catalog.h"
#include "replicator/store/begin_read.h"

namespace colony {

// How much of how much is done; false to give up.
using GoOn = std::function<bool(std::uint64_t done, std::uint64_t total)>;

// Makes the database at `to`, which exists and is empty, what is in a snapshot: the
// rows as of the position of `database`, without its pending transactions, and
// without its identity, so that any node can begin from it. Says how the snapshot
// is to be called. Throws Error if the file has not met its colony yet.
SnapshotName make_base(const std::string& database, const std::string& to, const GoOn& go_on,
                       const BeginRead& begin = {});

// The same of a file that may not have met its colony: only its rows count then, and
// they are the file's own.
void copy_without_node(const std::string& database, const std::string& to, const GoOn& go_on,
                       const BeginRead& begin = {});

// The same as make_base(), as a snapshot file (snapshot_file.h) at `to`.
SnapshotName make_snapshot(const std::string& database, const std::string& to, const GoOn& go_on,
                           const BeginRead& begin = {});

// Makes a snapshot and puts it onto the catalog; the temporary files stand beside the
// database meanwhile.
CatalogedSnapshot store_snapshot(const std::string& database, SnapshotCatalog& catalog, const GoOn& go_on,
                                 const BeginRead& begin = {});

// All pages as of one moment into the file at `to`, which is empty or not there.
void copy_pages(const std::string& from, const std::string& to, const GoOn& go_on, const BeginRead& begin = {});

// What the temporary files beside a database are called, before the process's number.
inline constexpr const char* kSnapshotSuffix = "-colony-snapshot-";

// Writes an ordinary SQLite file: the rows as programs see them, pending
// transactions included, and nothing of Colony's. Throws Error if `to` exists.
void back_up(const std::string& database, const std::string& to, const GoOn& go_on);

// Takes all that is Colony's out of the file, which nobody else may have open, and
// makes it a single file, out of WAL mode.
void make_plain(const std::string& path);

}  // namespace colony
