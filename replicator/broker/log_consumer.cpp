#include "replicator/broker/log_consumer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "replicator/broker/jetstream_connection.h"
#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::chrono::seconds kHeartbeat{5};
constexpr std::chrono::seconds kSilenceMax{12};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct Delivery {
  std::uint64_t sequence;   // in the log
  std::uint64_t delivered;  // how many the consumer has sent, this one included
  std::uint64_t time_ns;    // when the broker took it
  std::uint64_t pending;    // how many the selection has beyond this one
};

// The reply subject of a delivered message says it all:
//   $JS.ACK.<stream>.<consumer>.<attempt>.<sequence>.<delivered>.<time>.<pending>
// with <domain>.<account> after ACK, and a token at the end, in the newer form.
std::optional<Delivery> parse_delivery(const char* reply) {
  if (reply == nullptr) return std::nullopt;
  std::string_view rest(reply);
  if (!rest.starts_with("$JS.ACK.")) return std::nullopt;
  std::array<std::string_view, 12> tokens;
  std::size_t count = 0;
  while (count < tokens.size()) {
    const auto dot = rest.find('.');
    tokens[count++] = rest.substr(0, dot);
    if (dot == rest.npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (count != 9 && count < 11) return std::nullopt;
  const std::size_t shift = count == 9 ? 0 : 2;
  const auto sequence = parse_number(tokens[5 + shift]);
  const auto delivered = parse_number(tokens[6 + shift]);
  const auto time_ns = parse_number(tokens[7 + shift]);
  const auto pending = parse_number(tokens[8 + shift]);
  if (!sequence || !delivered || !time_ns || !pending) return std::nullopt;
  return Delivery{*sequence, *delivered, *time_ns, *pending};
}

const char* header(natsMsg* message, const char* key) {
  const char* value = nullptr;
  return natsMsgHeader_Get(message, key, &value) == NATS_OK ? value : nullptr;
}

}  // namespace

LogConsumer::LogConsumer(JetStreamConnection& connection, const std::string& stream, const Selection& selection)
    : connection_(connection), next_(selection.from) {
  natsInbox* inbox = nullptr;
  require_nats(natsInbox_Create(&inbox), "no inbox to read the log");
  NatsInboxHandle inbox_owner(inbox);
  natsSubscription* subscription = nullptr;
  require_nats(natsConnection_SubscribeSync(&subscription, connection.nats(), inbox), "no subscription to the log");
  subscription_.reset(subscription);
  // Flow control bounds what waits here; the library's own limits would drop.
  require_nats(natsSubscription_SetPendingLimits(subscription, -1, -1), "no subscription to the log");

  jsConsumerConfig config;
  require_nats(jsConsumerConfig_Init(&config), "no consumer of the log");
  config.DeliverSubject = inbox;
  config.DeliverPolicy = js_DeliverByStartSequence;
  config.OptStartSeq = std::max<std::uint64_t>(selection.from.value(), 1);
  if (!selection.subjects.empty()) config.FilterSubject = selection.subjects.c_str();
  config.AckPolicy = js_AckNone;
  config.ReplayPolicy = js_ReplayInstant;
  config.FlowControl = true;
  config.Heartbeat = std::chrono::nanoseconds(kHeartbeat).count();
  config.MemoryStorage = true;
  config.Replicas = 1;
  jsErrCode code = static_cast<jsErrCode>(0);
  jsConsumerInfo* info = nullptr;
  const natsStatus status = js_AddConsumer(&info, connection.jetstream(), stream.c_str(), &config, nullptr, &code);
  ConsumerInfoHandle info_owner(info);
  if (code == JSStreamNotFoundErr) throw LogUnavailable("the broker has no stream " + stream);
  require_nats(status, "no consumer of stream " + stream);
  pending_ = info->NumPending;
  began_ns_ = info->Created;
  heard_ = Clock::now();
}

LogConsumer::~LogConsumer() { connection_.retire(std::move(subscription_)); }

LogConsumer::Taken LogConsumer::take(Message& message, Clock::time_point until) {
  while (true) {
    const Clock::time_point now = Clock::now();
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::min(until, heard_ + kSilenceMax) - now);
    natsMsg* raw = nullptr;
    const natsStatus status =
        natsSubscription_NextMsg(&raw, subscription_.get(), std::max<std::int64_t>(wait.count(), 0));
    NatsMessageHandle owner(raw);
    if (status == NATS_TIMEOUT) {
      const Clock::time_point later = Clock::now();
      if (is_silent(later)) throw LogUnavailable("the broker no longer feeds the log to this node");
      if (later >= until) return Taken::kNothing;
      continue;
    }
    require_nats(status, "the connection to the broker was lost");
    heard_ = Clock::now();

    const std::optional<Delivery> delivery = parse_delivery(natsMsg_GetReply(raw));
    if (!delivery) {
      if (!follow_control(raw)) return Taken::kGap;
      continue;
    }
    if (delivery->delivered != delivered_ + 1) return Taken::kGap;
    if (delivery->sequence < next_.value()) {
      throw LogUnavailable("the log ended before sequence " + std::to_string(next_.value()));
    }
    delivered_ = delivery->delivered;
    next_ = Sequence(delivery->sequence + 1);
    last_known_ = Sequence(delivery->sequence + delivery->pending);
    pending_ = delivery->pending;

    const std::string_view subject = natsMsg_GetSubject(raw);
    message.sequence = Sequence(delivery->sequence);
    message.time_ns = static_cast<std::int64_t>(delivery->time_ns);
    message.origin = subject.substr(subject.rfind('.') + 1);
    message.data.assign(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
    return Taken::kMessage;
  }
}

// Heartbeats and flow control. Returns false when the broker has sent more
// messages than have come.
bool LogConsumer::follow_control(natsMsg* control) {
  const char* status = header(control, "Status");
  if (status == nullptr || std::string_view(status) != "100") return true;
  // Flow control asks by the reply subject; a heartbeat repeats the question
  // while the consumer is stalled by a lost one.
  const char* answer_to = natsMsg_GetReply(control);
  if (answer_to == nullptr || *answer_to == '\0') answer_to = header(control, "Nats-Consumer-Stalled");
  if (answer_to != nullptr) {
    require_nats(natsConnection_Publish(connection_.nats(), answer_to, nullptr, 0), "the flow of the log stopped");
  }
  const char* sent = header(control, "Nats-Last-Consumer");
  const std::optional<std::uint64_t> sent_number = sent ? parse_number(sent) : std::nullopt;
  return !sent_number || *sent_number == delivered_;
}

bool LogConsumer::is_silent(Clock::time_point now) const { return now >= heard_ + kSilenceMax; }

}  // namespace colony
