// A log in memory, and the bad network before it.
//
// MemoryLog is the broker: what has reached it has its place for good. A Wire
// holds what was sent and has not arrived; it may hand things over late, twice or
// in another order. A LogLink is one node's connection: it refuses, breaks and
// lies within what the Log port allows. All of it draws from the Random of the
// simulation's step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "replicator/log/log.h"
#include "tests/sim/random.h"

namespace colony::sim {

class MemoryLog {
 public:
  Sequence append(const std::string& origin, std::string data);

  const std::vector<Message>& messages() const { return messages_; }
  Sequence last() const { return Sequence(messages_.size()); }
  LogInfo info() const;
  std::optional<Message> read(Sequence sequence) const;

  // What brokers do to a log that should not be.
  void purge_before(Sequence first) { first_ = first; }
  void lose_after(Sequence last) { messages_.resize(last.value()); }
  void replace_epoch(const std::string& epoch) { epoch_ = epoch; }
  void set_entry_bytes_max(std::size_t bytes) { entry_bytes_max_ = bytes; }

  // What `colony recover` does to it: while it is held, it takes nothing; a log that
  // is begun anew goes on after `base`.
  void hold() { is_held_ = true; }
  void release() { is_held_ = false; }
  bool is_held() const { return is_held_; }
  void begin_anew(const std::string& epoch, Sequence base);

 private:
  std::vector<Message> messages_;  // message n at n - 1, also those that are purged
  Sequence first_{1};
  std::string epoch_ = "epoch-1";
  bool is_held_ = false;
  std::size_t entry_bytes_max_ = 1u << 20;
};

class Wire {
 public:
  explicit Wire(MemoryLog& log) : log_(log) {}

  void send(const std::string& origin, std::string data, unsigned copies_permille, Random& random);
  bool empty() const { return packets_.empty(); }
  std::size_t size() const { return packets_.size(); }
  // Hands a packet over, any one; now and then a copy stays behind.
  void deliver_one(Random& random);
  void deliver_all();

 private:
  struct Packet {
    std::string origin, data;
    unsigned copies_permille;
  };
  MemoryLog& log_;
  std::vector<Packet> packets_;
};

// How often, out of a thousand.
struct Faults {
  unsigned publish_fails_before = 0;  // LogUnavailable, nothing was sent
  unsigned publish_fails_after = 0;   // LogUnavailable, but it was sent
  unsigned publish_vanishes = 0;
  unsigned publish_refused = 0;  // the broker says no, later
  unsigned publish_delayed = 0;  // and so may be overtaken
  unsigned copies = 0;           // of what is delayed
  unsigned disconnects = 0;      // LogUnavailable from fetch, read or info
  unsigned fetches_few = 0;
  unsigned fetches_nothing = 0;
};

class LogLink : public Log {
 public:
  LogLink(MemoryLog& log, Wire& wire, std::string node) : log_(log), wire_(wire), node_(std::move(node)) {}

  // Until the next call; no faults without it.
  void set_faults(const Faults& faults, Random* random) { faults_ = faults, random_ = random; }
  void set_offline(bool offline) {
    informed_ = informed_ && offline == offline_;
    offline_ = offline;
  }
  bool offline() const { return offline_; }
  // Whose subject it publishes to from now on.
  void set_node(const std::string& node) { node_ = node; }
  // What became of each publish, for the transcript.
  void on_publish(std::function<void(const std::string&)> callback) { on_publish_ = std::move(callback); }

  LogInfo info() override;
  std::optional<Message> read(Sequence sequence) override;
  std::vector<Message> fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) override;
  void publish(std::string_view entry) override;
  std::uint64_t publish_failures() const override { return failures_; }
  std::string publish_failure() const override { return "refused"; }
  Sequence last_known() const override { return last_known_; }
  void interrupt() override {}

 private:
  bool happens(unsigned permille) { return random_ != nullptr && random_->permille(permille); }
  void check_connected();
  void tell(const char* fate) const;

  MemoryLog& log_;
  Wire& wire_;
  std::string node_;
  Faults faults_;
  Random* random_ = nullptr;
  std::function<void(const std::string&)> on_publish_;
  bool offline_ = false;
  bool informed_ = false;  // info() was called since the last break
  std::uint64_t failures_ = 0;
  Sequence last_known_;
};

}  // namespace colony::sim
