// Group commit: writes of all clients wait in one queue, and a thread with the only
// writing connection takes what has come within a few milliseconds into one
// transaction. A client is answered after the commit that has its write, and not
// before.
//
// A commit costs the same for one write or for fifty, here and on every other node:
// waiting a little makes all of them quicker under load.
//
// Threads: submit() and waiting() from any; answers are given on the queue's own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tests/load/metad/messages.h"
#include "tests/load/metad/writer.h"

namespace metad {

struct QueueSettings {
  int group_ms = 5;
  std::size_t group_size_max = 1000;
  std::size_t waiting_max = 20'000;
  std::int64_t expire_every_s = 0;  // 0: this process deletes nothing
  std::int64_t expire_grace_s = 60;
};

// Whom an answer is for. The queue only hands it back.
struct Ticket {
  unsigned worker = 0;
  std::shared_ptr<void> client;
};

struct QueueFigures {
  std::uint64_t commits = 0, writes = 0, failed_commits = 0, expired = 0;
  std::uint64_t commit_ns = 0, commit_ns_max = 0;  // BEGIN to COMMIT
  std::size_t waiting = 0;
  double stuck_s = 0;  // for how long the transaction now open has lasted
  // Of the latest commit. Forgotten after a while in which nobody has written: whoever
  // stays away as long as it shows could not find out that it is over. What only a
  // restart mends is not forgotten.
  std::optional<Failure> failure;
};

class WriteQueue {
 public:
  struct Answer {
    Ticket ticket;
    Response response;
  };
  using Answered = std::function<void(std::vector<Answer>&&)>;

  // The writer must have been made, so that its failure is met before clients are.
  WriteQueue(std::unique_ptr<Writer> writer, const QueueSettings& settings, Answered answered);
  // Commits and answers what waits, then ends.
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  // False: too many wait, and this one was not taken.
  bool submit(Ticket ticket, Write write);
  QueueFigures figures() const;

 private:
  struct Waiting {
    Ticket ticket;
    Write write;
  };

  void run();
  void commit(std::vector<Waiting>& group);
  void expire_when_due();
  // Gives what to tell clients.
  Failure note_failure(const char* doing, const SqliteError& error);

  const std::unique_ptr<Writer> writer_;
  const QueueSettings settings_;
  const Answered answered_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  bool ending_ = false;
  QueueFigures figures_;
  std::int64_t open_since_ns_ = 0;
  std::int64_t failed_ns_ = 0;

  std::int64_t last_expiry_ns_ = 0;  // the thread's
  std::int64_t said_ns_ = 0;         // the thread's: when a failure was logged
  std::thread thread_;               // the last: it uses all of the above
};

std::int64_t monotonic_ns();

}  // namespace metad
