#include "replicator/broker/object_bucket.h"

#include <array>
#include <chrono>
#include <map>

#include "replicator/broker/log_consumer.h"

namespace colony {

namespace {

constexpr std::chrono::seconds kListWait{4};

using PubAckHandle = std::unique_ptr<jsPubAck, NatsDeleter<&jsPubAck_Destroy>>;

std::string data_of(natsMsg* message) {
  return std::string(natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message)));
}

}  // namespace

ObjectBucket::ObjectBucket(JetStreamConnection& connection, std::string bucket)
    : connection_(connection),
      bucket_(std::move(bucket)),
      stream_("OBJ_" + bucket_),
      chunks_("$O." + bucket_ + ".C."),
      metas_("$O." + bucket_ + ".M.") {}

std::string ObjectBucket::chunk_subject(const std::string& nuid) const { return chunks_ + nuid; }
std::string ObjectBucket::meta_subject(const std::string& name) const { return metas_ + base64url(name); }

// What a broker's permissions forbid is not answered: it complains about it aside.
void ObjectBucket::fail(const std::string& what, natsStatus status, jsErrCode code) const {
  const char* complaint = nullptr;
  natsConnection_GetLastError(connection_.nats(), &complaint);
  if (complaint != nullptr && std::string_view(complaint).find("ermissions") != std::string_view::npos) {
    throw Error(what + ": the broker does not permit it (" + complaint + "): see docs/operations.md for what it takes");
  }
  throw_unavailable(what, status, code);
}

StreamInfoHandle ObjectBucket::look(const std::string& subjects) const {
  jsOptions options;
  require_nats(jsOptions_Init(&options), "bucket " + bucket_ + " cannot be looked at");
  if (!subjects.empty()) options.Stream.Info.SubjectsFilter = subjects.c_str();
  jsStreamInfo* info = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_GetStreamInfo(&info, connection_.jetstream(), stream_.c_str(), &options, &code);
  StreamInfoHandle owner(info);
  if (status == NATS_OK) return owner;
  if (code == JSStreamNotFoundErr || status == NATS_NOT_FOUND) return nullptr;
  fail("bucket " + bucket_ + " cannot be looked at", status, code);
}

bool ObjectBucket::exists() const { return look("") != nullptr; }

void ObjectBucket::create_if_missing(int replicas) const {
  if (exists()) return;
  const std::string chunks = chunks_ + ">";
  const std::string metas = metas_ + ">";
  std::array<const char*, 2> subjects = {chunks.c_str(), metas.c_str()};
  jsStreamConfig config;
  require_nats(jsStreamConfig_Init(&config), "bucket " + bucket_ + " cannot be described");
  config.Name = stream_.c_str();
  config.Subjects = subjects.data();
  config.SubjectsLen = static_cast<int>(subjects.size());
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardNew;
  config.Replicas = replicas;
  config.AllowRollup = true;
  config.AllowDirect = true;
  jsStreamInfo* info = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_AddStream(&info, connection_.jetstream(), &config, nullptr, &code);
  StreamInfoHandle owner(info);
  // Somebody else may have been quicker.
  if (status != NATS_OK && code != JSStreamNameExistErr) fail("bucket " + bucket_ + " cannot be made", status, code);
}

ObjectBucket::Contents ObjectBucket::contents() const {
  LogConsumer consumer(connection_, stream_, Selection{Sequence(1), metas_ + ">"});
  Contents contents;
  contents.now_ns = consumer.began_ns();
  // A name that is replaced meanwhile may come twice.
  std::map<std::string, ObjectMeta> latest;
  while (consumer.pending() > 0) {
    Message message;
    if (consumer.take(message, LogConsumer::Clock::now() + kListWait) != LogConsumer::Taken::kMessage) {
      throw LogUnavailable("the broker does not tell what is in bucket " + bucket_);
    }
    ObjectMeta meta = decode_meta(message.data);
    latest[meta.name] = std::move(meta);
  }
  for (auto& [name, meta] : latest) contents.metas.push_back(std::move(meta));
  return contents;
}

std::optional<ObjectMeta> ObjectBucket::find(const std::string& name) const {
  natsMsg* message = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status =
      js_GetLastMsg(&message, connection_.jetstream(), stream_.c_str(), meta_subject(name).c_str(), nullptr, &code);
  NatsMessageHandle owner(message);
  if (status == NATS_OK) return decode_meta(data_of(message));
  if (code == JSNoMessageFoundErr || code == JSStreamNotFoundErr || status == NATS_NOT_FOUND) return std::nullopt;
  fail("object " + name + " of bucket " + bucket_ + " cannot be looked up", status, code);
}

void ObjectBucket::publish(const ObjectMeta& meta) const {
  const std::string json = encode_meta(meta, bucket_);
  natsMsg* message = nullptr;
  natsStatus status =
      natsMsg_Create(&message, meta_subject(meta.name).c_str(), nullptr, json.data(), static_cast<int>(json.size()));
  NatsMessageHandle owner(message);
  // The broker drops what it had of this subject.
  if (status == NATS_OK) status = natsMsgHeader_Set(message, "Nats-Rollup", "sub");
  require_nats(status, "object " + meta.name + " cannot be described");
  jsPubAck* ack = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  status = js_PublishMsg(&ack, connection_.jetstream(), message, nullptr, &code);
  PubAckHandle ack_owner(ack);
  if (status != NATS_OK) fail("object " + meta.name + " cannot be entered into bucket " + bucket_, status, code);
}

std::vector<std::string> ObjectBucket::uploads() const {
  std::vector<std::string> uploads;
  const StreamInfoHandle info = look(chunks_ + ">");
  if (!info || info->State.Subjects == nullptr) return uploads;
  for (int i = 0; i < info->State.Subjects->Count; ++i) {
    uploads.push_back(std::string(info->State.Subjects->List[i].Subject).substr(chunks_.size()));
  }
  return uploads;
}

std::optional<std::int64_t> ObjectBucket::latest_chunk_ns(const std::string& nuid) const {
  natsMsg* message = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status =
      js_GetLastMsg(&message, connection_.jetstream(), stream_.c_str(), chunk_subject(nuid).c_str(), nullptr, &code);
  NatsMessageHandle owner(message);
  if (status == NATS_OK) return natsMsg_GetTime(message);
  if (code == JSNoMessageFoundErr || status == NATS_NOT_FOUND) return std::nullopt;
  fail("an upload to bucket " + bucket_ + " cannot be looked at", status, code);
}

void ObjectBucket::purge_chunks(const std::string& nuid) const {
  // An empty filter would purge everything.
  COLONY_ASSERT(!nuid.empty());
  const std::string subject = chunk_subject(nuid);
  jsOptions options;
  require_nats(jsOptions_Init(&options), "bucket " + bucket_ + " cannot be cleaned up");
  options.Stream.Purge.Subject = subject.c_str();
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_PurgeStream(connection_.jetstream(), stream_.c_str(), &options, &code);
  if (status == NATS_OK || code == JSStreamNotFoundErr || status == NATS_NOT_FOUND) return;
  fail("bucket " + bucket_ + " cannot be cleaned up", status, code);
}

}  // namespace colony
