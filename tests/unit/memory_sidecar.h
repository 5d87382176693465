// A log in memory, and a sidecar over it that is stepped by hand.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "replicator/apply/applier.h"
#include "replicator/apply/applier_reports.h"
#include "replicator/log/error.h"
#include "replicator/log/log.h"
#include "replicator/publish/publisher.h"
#include "tests/unit/memory_node.h"

namespace colony::unit {

// What the broker keeps.
struct MemoryStream {
  std::string epoch = "epoch-1";
  std::size_t entry_bytes_max = 1u << 20;
  Sequence first{1};
  std::vector<Message> messages;  // message n at n - 1, also those that are purged

  Sequence last() const { return Sequence(messages.size()); }
  Sequence append(const std::string& origin, std::string data);
  // One line a message: origin and what it says.
  std::string shown() const;
};

// What becomes of a publish.
enum class Fate {
  kArrives,
  kVanishes,   // nobody hears of it again
  kIsRefused,  // nor the log; the broker says so later
  kFails,      // LogUnavailable, and the log has not got it
  kFailsLate,  // LogUnavailable, and the log has got it
  kArrivesTwice,
};

// One node's connection to it.
class MemoryLog : public Log {
 public:
  MemoryLog(MemoryStream& stream, std::string node) : stream_(stream), node_(std::move(node)) {}

  // Of the publishes to come, one each; then they arrive.
  void fates(std::initializer_list<Fate> fates) { fates_.insert(fates_.end(), fates); }
  std::size_t published() const { return published_; }
  // Sequences that fetch() leaves out.
  void hide(Sequence sequence) { hidden_.push_back(sequence); }

  LogInfo info() override;
  std::optional<Message> read(Sequence sequence) override;
  std::vector<Message> fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) override;
  void publish(std::string_view entry) override;
  std::uint64_t publish_failures() const override { return failures_; }
  std::string publish_failure() const override { return "refused"; }
  Sequence last_known() const override { return stream_.last(); }
  void interrupt() override {}

 private:
  MemoryStream& stream_;
  std::string node_;
  std::deque<Fate> fates_;
  std::vector<Sequence> hidden_;
  std::size_t published_ = 0;
  std::uint64_t failures_ = 0;
};

// The two loops of a node over its file in memory.
class MemorySidecar {
 public:
  MemorySidecar(MemoryStream& stream, const std::string& schema, const std::string& node, std::uint64_t incarnation);
  // The same, on a file that is there.
  MemorySidecar(MemoryStream& stream, MemoryNode& app, const std::string& node);

  MemoryNode& app() { return *app_; }
  MemoryLog& log() { return log_; }
  PublishPermit& permit() { return *permit_; }
  Status& status() { return status_; }
  Applier& applier() { return *applier_; }
  Publisher& publisher() { return *publisher_; }
  Publisher::Clock::time_point& now() { return now_; }

  // Before the loops start, or restart.
  Applier::Options applier_options;
  ApplierReports::Listeners listeners;
  Publisher::Options publisher_options;

  // As after a crash: all that was in memory is gone.
  void restart();
  // Steps of the applier until there is nothing more to read; how many there were.
  int absorb();
  // Steps of the publisher until it has nothing more to send; how many there were.
  int publish();
  // Both in turn until neither has anything to do.
  void settle();

  NodeFile& file() { return *file_; }

 private:
  std::unique_ptr<MemoryNode> owned_;
  MemoryNode* app_;
  std::unique_ptr<NodeFile> file_;
  MemoryLog log_;
  std::unique_ptr<PublishPermit> permit_;
  Status status_;
  Publisher::Clock::time_point now_{};
  std::unique_ptr<ApplierReports> reports_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Publisher> publisher_;
};

// All of them, until none has anything to do.
void settle(std::initializer_list<MemorySidecar*> sidecars);

}  // namespace colony::unit
