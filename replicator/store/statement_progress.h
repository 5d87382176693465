// Tells that statements go on, however long they take.
#pragma once

#include <functional>

#include "replicator/store/sqlite.h"

namespace colony {

// While one lives, `on_progress` is called some hundred times for each second that
// statements of the connection run, by the thread that runs them. One for a connection;
// it must not outlive that, and `on_progress` must not throw.
class StatementProgress {
 public:
  StatementProgress(Database& db, std::function<void()> on_progress) : db_(db), on_progress_(std::move(on_progress)) {
    constexpr int kSteps = 100'000;
    const auto call = [](void* context) {
      static_cast<StatementProgress*>(context)->on_progress_();
      return 0;
    };
    sqlite3_progress_handler(db.handle(), kSteps, call, this);
  }
  ~StatementProgress() { sqlite3_progress_handler(db_.handle(), 0, nullptr, nullptr); }
  StatementProgress(const StatementProgress&) = delete;
  StatementProgress& operator=(const StatementProgress&) = delete;

 private:
  Database& db_;
  std::function<void()> on_progress_;
};

}  // namespace colony
