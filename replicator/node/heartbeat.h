// Tells the colony's board how this node is: every five seconds, and when its state
// changes, at most once a second. And hears there which log the others have read.
//
// A thread, a connection to the broker and one to the file of its own, so that
// publisher and applier are never in its way nor it in theirs. A broker that is not
// there is no error: it tries again the next time. Its end is told as `stopped`, if
// the broker takes it at once.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "replicator/log/board.h"
#include "replicator/node/beat.h"
#include "replicator/node/log_witness.h"
#include "replicator/node/pulse.h"
#include "replicator/node/status.h"
#include "replicator/store/checks.h"

namespace colony {

class Heartbeat {
 public:
  // `about_me` has what does not change. `status`, `witness` and `pulse` must outlive this, and
  // `on_end` is called by the thread at its end. Throws Error, and SqliteError.
  Heartbeat(const std::string& path, Beat about_me, Status& status, LogWitness& witness, Pulse& pulse,
            BoardSettings board, std::function<void()> on_end);
  // Waits for the thread.
  ~Heartbeat();

  void start();
  // Any thread.
  void stop();

 private:
  void run();
  void read_file();
  void look_at_log();
  void hear_others();
  bool beat(State state, const std::string& message);

  Database db_;
  NodeFile file_;
  Beat beat_;                 // the latest
  std::vector<Drift> drift_;  // of this node
  Status& status_;
  LogWitness& witness_;
  Pulse& pulse_;
  Board board_;
  std::function<void()> on_end_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> asks_broker_{false};
  std::thread thread_;
};

}  // namespace colony
