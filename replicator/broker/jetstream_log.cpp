#include "replicator/broker/jetstream_log.h"

#include <algorithm>

#include "replicator/broker/broker_connection.h"
#include "replicator/broker/entry_publisher.h"
#include "replicator/broker/log_consumer.h"
#include "replicator/broker/log_stream.h"
#include "replicator/broker/nats_handles.h"
#include "replicator/broker/server_urls.h"
#include "replicator/log/error.h"

namespace colony {

namespace {

// Left of the broker's max_payload for headers, ours or a mirror's.
constexpr std::size_t kHeaderRoom = 512;

JetStreamSettings checked(JetStreamSettings settings) {
  if (!is_valid_name(settings.cluster)) throw Error("'" + settings.cluster + "' is not a valid name of a colony");
  if (!settings.node.empty() && !is_valid_name(settings.node)) {
    throw Error("'" + settings.node + "' is not a valid name of a node");
  }
  return settings;
}

std::size_t entry_bytes_max(const BrokerConnection& connection, std::size_t stream_max) {
  auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(natsConnection_GetMaxPayload(connection.nats()), 0));
  if (stream_max != 0) bytes = std::min(bytes, stream_max);
  return bytes > kHeaderRoom ? bytes - kHeaderRoom : 0;
}

}  // namespace

JetStreamLog::JetStreamLog(JetStreamSettings settings)
    : settings_(checked(std::move(settings))),
      urls_(parse_server_urls(settings_.broker.urls)),
      stream_(stream_name(settings_.cluster)),
      subject_(node_subject(settings_.cluster, settings_.node)),
      failures_(std::make_shared<PublishFailures>()) {
  open_nats_library();
}

JetStreamLog::~JetStreamLog() { consumer_.reset(); }

LogInfo JetStreamLog::info() {
  throw_if_interrupted();
  const std::shared_ptr<BrokerConnection> connection = open_connection();
  try {
    LogInfo info = open_log_stream(connection->jetstream(), settings_);
    // What is on its way from a former log would pass for this one's.
    if (info.epoch != epoch_ || info.created_ns != created_ns_) consumer_.reset();
    epoch_ = info.epoch;
    created_ns_ = info.created_ns;
    info.entry_bytes_max = entry_bytes_max(*connection, info.entry_bytes_max);
    settings_.must_exist = !settings_.read_only;
    last_known_ = info.last.value();
    discovered_urls_ = connection->discovered_urls();
    connection->set_validated(true);
    throw_if_interrupted();
    return info;
  } catch (const LogUnavailable&) {
    throw_if_interrupted();
    // Another server of the list may know more.
    connection->close();
    throw;
  } catch (const Error&) {
    connection->set_validated(false);
    throw;
  }
}

std::optional<Message> JetStreamLog::read(Sequence sequence) {
  throw_if_interrupted();
  const std::shared_ptr<BrokerConnection> connection = validated_connection();
  if (sequence == Sequence(0)) return std::nullopt;
  natsMsg* raw = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_GetMsg(&raw, connection->jetstream(), stream_.c_str(), sequence.value(), nullptr, &code);
  NatsMessageHandle owner(raw);
  if (code == JSNoMessageFoundErr || code == JSSequenceNotFoundErr) return std::nullopt;
  if (status != NATS_OK) {
    throw_if_interrupted();
    connection->set_validated(false);
    throw LogUnavailable("sequence " + std::to_string(sequence.value()) + " of " + stream_ +
                         " cannot be read: " + nats_failure(status));
  }
  const std::string_view subject = natsMsg_GetSubject(raw);
  return Message{sequence, std::string(subject.substr(subject.rfind('.') + 1)),
                 std::string(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw))),
                 natsMsg_GetTime(raw)};
}

void JetStreamLog::cut_before(Sequence first) {
  throw_if_interrupted();
  cut_log_stream(validated_connection()->jetstream(), settings_.cluster, first);
}

void JetStreamLog::hold(const std::string& token) {
  throw_if_interrupted();
  const std::shared_ptr<BrokerConnection> connection = open_connection();
  if (has_log_stream(connection->jetstream(), settings_.cluster)) {
    hold_log_stream(connection->jetstream(), settings_.cluster, token);
  } else {
    create_held_log_stream(connection->jetstream(), settings_, token);
  }
}

void JetStreamLog::renew(const std::string& token, Sequence first) {
  renew_log_stream(open_connection()->jetstream(), settings_.cluster, token, first);
}

void JetStreamLog::release(const std::string& token) {
  release_log_stream(open_connection()->jetstream(), settings_.cluster, token);
}

void JetStreamLog::remove(const std::string& token) {
  remove_held_log_stream(open_connection()->jetstream(), settings_.cluster, token);
}

std::vector<Message> JetStreamLog::fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) {
  COLONY_ASSERT(limits.messages > 0 && limits.bytes > 0);
  throw_if_interrupted();
  const std::shared_ptr<BrokerConnection> connection = validated_connection();
  try {
    return fetch_from(*connection, from, limits, wait);
  } catch (const LogUnavailable&) {
    consumer_.reset();
    connection->set_validated(false);
    throw_if_interrupted();
    throw;
  }
}

std::vector<Message> JetStreamLog::fetch_from(BrokerConnection& connection, Sequence from, FetchLimits limits,
                                              std::chrono::milliseconds wait) {
  const LogConsumer::Clock::time_point deadline = LogConsumer::Clock::now() + wait;
  std::vector<Message> messages;
  std::size_t bytes = 0;
  int gaps = 0;
  while (messages.size() < limits.messages && bytes < limits.bytes) {
    if (messages.empty() && (!consumer_ || consumer_->next() != from)) {
      consumer_.reset();
      consumer_ = std::make_unique<LogConsumer>(connection, stream_, Selection{from});
    }
    Message message;
    const auto taken = consumer_->take(message, messages.empty() ? deadline : LogConsumer::Clock::time_point());
    if (taken == LogConsumer::Taken::kNothing) break;
    if (taken == LogConsumer::Taken::kGap) {
      consumer_.reset();
      if (!messages.empty()) break;
      if (++gaps > 2) throw LogUnavailable("the broker's messages do not arrive whole");
      continue;
    }
    learn_last(consumer_->last_known());
    bytes += message.data.size();
    messages.push_back(std::move(message));
  }
  return messages;
}

void JetStreamLog::publish(std::string_view entry) {
  COLONY_ASSERT(!settings_.node.empty());
  throw_if_interrupted();
  const std::shared_ptr<BrokerConnection> connection = validated_connection();
  try {
    connection->publisher().publish(entry);
  } catch (const LogUnavailable&) {
    throw_if_interrupted();
    throw;
  }
}

std::uint64_t JetStreamLog::publish_failures() const {
  if (const auto connection = current_connection()) connection->publisher().collect();
  return failures_->count();
}

std::string JetStreamLog::publish_failure() const { return failures_->latest(); }

Sequence JetStreamLog::last_known() const { return Sequence(last_known_); }

void JetStreamLog::interrupt() {
  interrupted_ = true;
  if (const auto connection = current_connection()) connection->close();
}

std::shared_ptr<BrokerConnection> JetStreamLog::current_connection() const {
  std::lock_guard lock(connection_mutex_);
  return connection_;
}

std::shared_ptr<BrokerConnection> JetStreamLog::validated_connection() const {
  std::shared_ptr<BrokerConnection> connection = current_connection();
  if (!connection || !connection->is_validated()) throw LogUnavailable("the log has not been looked at yet");
  if (!connection->is_open()) throw LogUnavailable("the connection to the broker was lost");
  return connection;
}

std::shared_ptr<BrokerConnection> JetStreamLog::open_connection() {
  if (auto connection = current_connection(); connection && connection->is_open()) return connection;
  consumer_.reset();
  std::vector<std::string> urls = urls_;
  urls.insert(urls.end(), discovered_urls_.begin(), discovered_urls_.end());
  auto connection = std::make_shared<BrokerConnection>(settings_, urls, subject_, failures_);
  {
    std::lock_guard lock(connection_mutex_);
    std::swap(connection_, connection);  // the old one goes without the lock
  }
  // interrupt() sets the flag before it looks for a connection to close: either
  // it has seen this one or we see the flag.
  throw_if_interrupted();
  return current_connection();
}

void JetStreamLog::learn_last(Sequence last) {
  if (last > last_known()) last_known_ = last.value();
}

void JetStreamLog::throw_if_interrupted() const {
  if (interrupted_) throw Interrupted();
}

}  // namespace colony
