// One connection to a broker, from its making to its loss. It is never re-made:
// a new connection is a new object.
//
// Threads: any, except that publisher().publish() belongs to one thread. Shared,
// so that a thread in the middle of a call keeps alive what it uses.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/log/entry_publisher.h"
#include "replicator/log/jetstream_log.h"
#include "replicator/log/nats_handles.h"

namespace colony {

class BrokerConnection {
 public:
  // Tries `urls` in order. Throws LogUnavailable when none answers, Error when
  // one is malformed.
  BrokerConnection(const JetStreamSettings& settings, const std::vector<std::string>& urls, const std::string& subject,
                   std::shared_ptr<PublishFailures> failures);
  ~BrokerConnection();

  natsConnection* nats() const { return connection_.get(); }
  jsCtx* jetstream() const { return jetstream_.get(); }
  EntryPublisher& publisher() { return *publisher_; }

  bool is_open() const { return !natsConnection_IsClosed(connection_.get()); }

  // Ends every call in progress on it, on all threads.
  void close() { natsConnection_Close(connection_.get()); }

  // Whether the log has been looked at over this connection and nothing has
  // happened since that would make it worth another look.
  bool is_validated() const { return validated_; }
  void set_validated(bool validated) { validated_ = validated; }

  // Other servers of the same cluster that the broker has told of.
  std::vector<std::string> discovered_urls() const;

 private:
  NatsConnectionHandle connection_;
  JetStreamHandle jetstream_;
  std::optional<EntryPublisher> publisher_;
  std::atomic<bool> validated_{false};
};

}  // namespace colony
