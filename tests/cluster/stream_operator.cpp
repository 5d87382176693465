#include "tests/cluster/stream_operator.h"

#include "tests/cluster/log_calls.h"

namespace colony {

StreamOperator::StreamOperator(const std::string& url) {
  open_nats_library();
  natsConnection* connection = nullptr;
  require_nats(natsConnection_ConnectTo(&connection, url.c_str()), "operator");
  connection_.reset(connection);
  jsCtx* jetstream = nullptr;
  require_nats(natsConnection_JetStream(&jetstream, connection, nullptr), "operator");
  jetstream_.reset(jetstream);
}

void StreamOperator::create_stream(const std::function<void(jsStreamConfig&)>& change) {
  const char* subjects[] = {"colony.c.log.*"};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = "COLONY_c";
  config.Description = "Colony log of c, epoch 0123456789abcdef0123456789abcdef";
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Discard = js_DiscardNew;
  change(config);
  // Servers clear away a deleted stream of that name in their own time.
  natsStatus status = NATS_ERR;
  eventually([&] {
    status = js_AddStream(nullptr, js(), &config, nullptr, nullptr);
    return status == NATS_OK;
  });
  require_nats(status, "stream");
}

void StreamOperator::delete_stream() {
  require_nats(js_DeleteStream(js(), "COLONY_c", nullptr, nullptr), "delete stream");
}

void StreamOperator::delete_message(std::uint64_t sequence) {
  require_nats(js_DeleteMsg(js(), "COLONY_c", sequence, nullptr, nullptr), "delete message");
}

void StreamOperator::purge_before(std::uint64_t sequence) {
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Purge.Sequence = sequence;
  require_nats(js_PurgeStream(js(), "COLONY_c", &options, nullptr), "purge");
}

ConsumersHandle StreamOperator::consumers() {
  jsConsumerInfoList* list = nullptr;
  require_nats(js_Consumers(&list, js(), "COLONY_c", nullptr, nullptr), "consumers");
  return ConsumersHandle(list);
}

void StreamOperator::delete_consumers() {
  const ConsumersHandle list = consumers();
  for (int i = 0; i < list->Count; ++i) js_DeleteConsumer(js(), "COLONY_c", list->List[i]->Name, nullptr, nullptr);
}

void StreamOperator::publish(const std::string& subject, const std::string& reply, const std::string& data) {
  require_nats(natsConnection_PublishRequest(connection_.get(), subject.c_str(), reply.c_str(), data.data(),
                                             static_cast<int>(data.size())),
               "publish");
  require_nats(natsConnection_Flush(connection_.get()), "flush");
}

}  // namespace colony
