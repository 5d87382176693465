// What an operator, or a stranger, does to a broker behind the back of colony "c".
// Throws Error when the broker refuses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "replicator/broker/nats_handles.h"

namespace colony {

using ConsumersHandle = std::unique_ptr<jsConsumerInfoList, NatsDeleter<&jsConsumerInfoList_Destroy>>;

class StreamOperator {
 public:
  explicit StreamOperator(const std::string& url);

  // As Colony would, but for what `change` makes of it.
  void create_stream(const std::function<void(jsStreamConfig&)>& change);
  void delete_stream();
  void delete_message(std::uint64_t sequence);
  void purge_before(std::uint64_t sequence);

  ConsumersHandle consumers();
  void delete_consumers();

  void publish(const std::string& subject, const std::string& reply, const std::string& data);

 private:
  jsCtx* js() { return jetstream_.get(); }

  NatsConnectionHandle connection_;
  JetStreamHandle jetstream_;
};

}  // namespace colony
