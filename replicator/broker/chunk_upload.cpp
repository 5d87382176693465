#include "replicator/broker/chunk_upload.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "replicator/broker/jetstream_connection.h"
#include "replicator/broker/object_bucket.h"
#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::uint64_t kInFlightMax = 16;
constexpr std::chrono::seconds kAnswerWait{15};
constexpr std::int64_t kSliceMs = 200;
constexpr std::int64_t kGiveUpMs = 2000;

// An answer that says anything but "stored" ends the upload. One that is an error
// may have a sequence as well, 0.
void require_stored(std::string_view answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  if (json.is_object() && json.contains("seq") && !json.contains("error")) return;
  std::string why(answer);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    why = json["error"].value("description", why);
  }
  // Such as a full disk or bucket: it may be emptied.
  throw LogUnavailable("the broker does not store the object: " + why);
}

}  // namespace

ChunkUpload::ChunkUpload(JetStreamConnection& connection, const ObjectBucket& bucket, std::string subject,
                         OnWait on_wait)
    : connection_(connection), bucket_(bucket), subject_(std::move(subject)), on_wait_(std::move(on_wait)) {
  natsInbox* inbox = nullptr;
  require_nats(natsInbox_Create(&inbox), "no inbox for the broker's answers");
  NatsInboxHandle owner(inbox);
  inbox_ = inbox;
  natsSubscription* answers = nullptr;
  require_nats(natsConnection_SubscribeSync(&answers, connection_.nats(), inbox),
               "no subscription for the broker's answers");
  answers_.reset(answers);
}

ChunkUpload::~ChunkUpload() { connection_.retire(std::move(answers_)); }

void ChunkUpload::send(std::string_view chunk) {
  while (sent_ - answered_ >= kInFlightMax) await_answer();
  const natsStatus status = natsConnection_PublishRequest(connection_.nats(), subject_.c_str(), inbox_.c_str(),
                                                          chunk.data(), static_cast<int>(chunk.size()));
  if (status != NATS_OK) bucket_.fail("the connection to the broker was lost", status, static_cast<jsErrCode>(0));
  ++sent_;
}

void ChunkUpload::finish() {
  while (answered_ < sent_) await_answer();
}

void ChunkUpload::give_up() {
  while (answered_ < sent_) {
    natsMsg* answer = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&answer, answers_.get(), kGiveUpMs);
    NatsMessageHandle owner(answer);
    if (status != NATS_OK) return;
    ++answered_;
  }
}

void ChunkUpload::await_answer() {
  const auto deadline = std::chrono::steady_clock::now() + kAnswerWait;
  while (true) {
    natsMsg* answer = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&answer, answers_.get(), kSliceMs);
    NatsMessageHandle owner(answer);
    if (status == NATS_OK) {
      ++answered_;
      if (natsMsg_IsNoResponders(answer)) throw LogUnavailable("the broker has lost the bucket");
      require_stored({natsMsg_GetData(answer), static_cast<std::size_t>(natsMsg_GetDataLength(answer))});
      return;
    }
    on_wait_();
    if (status != NATS_TIMEOUT || std::chrono::steady_clock::now() >= deadline) {
      bucket_.fail("the broker does not take the object", status, static_cast<jsErrCode>(0));
    }
  }
}

}  // namespace colony
