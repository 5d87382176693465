// The log's connection: one to a broker's JetStream, with a publisher of entries.
//
// Threads: any, except that publisher().publish() belongs to one thread. Shared,
// so that a thread in the middle of a call keeps alive what it uses.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "replicator/broker/entry_publisher.h"
#include "replicator/broker/jetstream_connection.h"
#include "replicator/broker/jetstream_log.h"

namespace colony {

class BrokerConnection : public JetStreamConnection {
 public:
  // As JetStreamConnection's.
  BrokerConnection(const JetStreamSettings& settings, const std::vector<std::string>& urls, const std::string& subject,
                   std::shared_ptr<PublishFailures> failures)
      : JetStreamConnection(settings.broker, urls, settings.client_name),
        publisher_(nats(), subject, std::move(failures)) {}
  ~BrokerConnection() { close(); }

  EntryPublisher& publisher() { return publisher_; }

  // Whether the log has been looked at over this connection and nothing has
  // happened since that would make it worth another look.
  bool is_validated() const { return validated_; }
  void set_validated(bool validated) { validated_ = validated; }

 private:
  EntryPublisher publisher_;
  std::atomic<bool> validated_{false};
};

}  // namespace colony
