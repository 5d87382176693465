// The log as a JetStream stream: the Log that production uses.
//
// The stream of colony C is COLONY_C; node N publishes to colony.C.log.N. Its
// description carries the epoch, a random number written by whoever created
// it. It keeps every entry: no limit of any kind, on disk.
//
// One connection serves both loops, and it is never re-made behind their
// backs: the client library's own reconnecting is off. A lost connection ends
// every call with LogUnavailable until info() has made a new one and looked at
// the log again; so nothing that was true of the log is believed across the
// loss, and nothing published before it can be sent after it. Servers that the
// broker has told of are remembered and tried after the configured ones.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/broker/broker_settings.h"
#include "replicator/log/log.h"

namespace colony {

class BrokerConnection;
class LogConsumer;
class PublishFailures;

struct JetStreamSettings {
  BrokerSettings broker = {};          // where it is, and who we are to it
  std::string cluster = {};            // the colony's name
  std::string node = {};               // whose subject publish() uses; may be empty if nothing is published
  int replicas = 1;                    // of the stream, when it is created
  bool read_only = false;              // never create the stream
  bool must_exist = false;             // this node has met it: if it is missing, it was lost
  std::string client_name = "colony";  // how the broker's monitoring shows the connection
};

class JetStreamLog final : public Log {
 public:
  // Any thread. Touches no network. Throws Error on malformed settings.
  explicit JetStreamLog(JetStreamSettings settings);

  // Any thread, when no other call is in progress.
  ~JetStreamLog() override;

  JetStreamLog(const JetStreamLog&) = delete;
  JetStreamLog& operator=(const JetStreamLog&) = delete;

  // The applier's thread. Besides what Log says: throws Error when the log does
  // not exist and the settings forbid to create it, and Halt when it must exist, as
  // it must once it was seen: who puts it back finds its place free. Blocks for a few seconds at
  // most; a refused connection is told at once.
  LogInfo info() override;

  // The applier's thread. LogUnavailable as for fetch().
  std::optional<Message> read(Sequence sequence) override;

  // The applier's thread. A broker that vanished without a word is noticed
  // within 15 s. When the log ends before `from` - 1, which the caller learns
  // from info(), this waits in vain or is LogUnavailable, as the broker likes.
  std::vector<Message> fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) override;

  // Removes the entries before `first`, for good. For housekeeping, on a
  // JetStreamLog of its own. Throws LogUnavailable.
  void cut_before(Sequence first);

  // For `colony recover`, on a JetStreamLog of its own; `token` says which run of it
  // holds the log, and all but hold() throw LogUnavailable when another one does.
  // From hold() on the broker takes no entry; a log that is missing is made, kAnew.
  void hold(const std::string& token);
  // Gives the log that is held a new epoch, and lets it begin, empty, at `first`,
  // which is beyond its end: kAnew.
  void renew(const std::string& token, Sequence first);
  // The log takes entries again.
  void release(const std::string& token);
  // Removes the log, which is kAnew and which nobody has met.
  void remove(const std::string& token);

  // The publisher's thread. Throws LogUnavailable also while a connection has
  // not yet passed info(), Error when the entry is larger than entry_bytes_max.
  // Blocks only when thousands of entries, or tens of megabytes, are
  // unanswered, or the socket is full.
  void publish(std::string_view entry) override;

  // Any thread. An answer that has not come after 5 s is a failure, as are all
  // that are missing when the connection is lost.
  std::uint64_t publish_failures() const override;
  std::string publish_failure() const override;

  // Any thread.
  Sequence last_known() const override;

  // Any thread. Ends calls in progress by closing the connection: within
  // milliseconds, except one that is connecting (up to 2 s for an address that
  // does not answer) or writes to a broker that has stopped reading (up to 5 s).
  void interrupt() override;

 private:
  std::shared_ptr<BrokerConnection> current_connection() const;
  std::shared_ptr<BrokerConnection> validated_connection() const;
  std::shared_ptr<BrokerConnection> open_connection();
  std::vector<Message> fetch_from(BrokerConnection& connection, Sequence from, FetchLimits limits,
                                  std::chrono::milliseconds wait);
  void learn_last(Sequence last);
  void throw_if_interrupted() const;

  JetStreamSettings settings_;  // constant but for must_exist, which is the applier's
  const std::vector<std::string> urls_;
  const std::string stream_;
  const std::string subject_;  // of this node
  const std::shared_ptr<PublishFailures> failures_;

  // Held to copy or replace the pointer only. Replaced by the applier's thread.
  mutable std::mutex connection_mutex_;
  std::shared_ptr<BrokerConnection> connection_;

  // The applier's thread only. The consumer lives no longer than the connection
  // that it was made on, and the log that info() has seen.
  std::vector<std::string> discovered_urls_;
  std::string epoch_;
  std::int64_t created_ns_ = 0;
  std::unique_ptr<LogConsumer> consumer_;

  std::atomic<std::uint64_t> last_known_{0};
  std::atomic<bool> interrupted_{false};
};

}  // namespace colony
