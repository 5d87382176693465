// A write transaction of Colony's that changes rows, the outbox or the schema of a file. In one
// whose capture is `wal` it first captures what programs have committed, so that whatever comes
// on top comes after it, and is told from a program's. In one whose capture is `session` it is
// only told from a program's, for who watches these (session_audit.h).
//
//   OwnTransaction transaction(db, capture);
//   ...
//   transaction.commit();   // or it is rolled back
//
// Threads: the connection's; waits for other users of `capture`. Errors: those of WalCapture.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "replicator/log/error.h"
#include "replicator/store/begin_read.h"
#include "replicator/store/sqlite.h"
#include "replicator/wal/wal_capture.h"

namespace colony {

class OwnTransaction {
 public:
  using Begin = WalCapture::Begin;
  using Tables = WalCapture::Turn::Tables;

  // `capture`, null for a file in session mode, must outlive it. Throws WalCapture::TooMuchToRead
  // as a Turn does.
  OwnTransaction(Database& db, WalCapture* capture, Begin begin = Begin::kGoesOn,
                 std::size_t frames_max = ~std::size_t{0});

  void commit(Tables tables = Tables::kSame);

  // When it had the write lock.
  std::chrono::steady_clock::time_point locked() const { return locked_; }

 private:
  Database& db_;
  std::unique_lock<std::mutex> alone_;
  WriteTransaction transaction_;
  const std::chrono::steady_clock::time_point locked_ = std::chrono::steady_clock::now();
  std::optional<WalCapture::Turn> turn_;
};

// Somebody must find out first what programs have committed: `colony run`.
class NotCaptured : public Error {
 public:
  using Error::Error;
};

// For a command: the capture of a file in wal mode, at its mark, or null in session mode. Waits
// for a sidecar that is at it. Throws NotCaptured.
std::unique_ptr<WalCapture> capture_of(const std::string& path,
                                       std::chrono::milliseconds patience = std::chrono::seconds(3));

// Captures all that programs have committed, and begins a read transaction on `reader`, whose
// state is that of a moment at which everything was captured and queued. Takes the write lock, with
// `writer`, another connection, only if there is something to capture. Errors: also WalLost, if
// nobody follows the log just now.
void begin_captured_read(Database& reader, Database& writer, WalCapture* capture);

// The same for a sidecar, with a writer of its own for each read; `go_on` is asked while a program
// holds the write lock. Empty if `capture` is null; otherwise it must outlive the result.
BeginRead captured_reads(const std::string& path, WalCapture* capture, std::function<bool()> go_on);

// For a command: goes on at the mark each time, and keeps nothing but the read. Leaves changes of
// the schema to a running sidecar. Of a file in session mode just reads. Errors: also NotCaptured.
BeginRead captured_reads(const std::string& path, std::function<bool()> go_on);

}  // namespace colony
