#include "replicator/broker/log_stream.h"

#include <array>
#include <random>
#include <string_view>

#include "replicator/broker/jetstream_connection.h"
#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::int64_t kDuplicateWindowNs = 100'000'000;  // servers take no less

std::string all_subjects(const std::string& cluster) { return node_subject(cluster, "*"); }

// Where nobody publishes: the broker takes no entry while these are the stream's.
std::string held_subjects(const std::string& cluster) { return "colony." + cluster + ".held.*"; }

std::string description_before_epoch(const std::string& cluster) { return "Colony log of " + cluster + ", epoch "; }

// After the epoch; then follows the token.
constexpr std::string_view kHeld = ", held ", kAnew = ", made anew ";
constexpr std::size_t kEpochDigits = 32;

std::string random_epoch() {
  std::random_device random;
  std::string epoch;
  for (int i = 0; i < 32; ++i) epoch += "0123456789abcdef"[random() % 16];
  return epoch;
}

// Nothing when the broker does not have the stream.
StreamInfoHandle find_stream(jsCtx* jetstream, const std::string& stream) {
  jsStreamInfo* info = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_GetStreamInfo(&info, jetstream, stream.c_str(), nullptr, &code);
  StreamInfoHandle owner(info);
  if (status == NATS_OK) return owner;
  if (code == JSStreamNotFoundErr || status == NATS_NOT_FOUND) return nullptr;
  throw_unavailable("stream " + stream + " cannot be looked at", status, code);
}

std::string streams_that_claim(jsCtx* jetstream, const std::string& subjects) {
  jsOptions options;
  if (jsOptions_Init(&options) != NATS_OK) return {};
  options.Stream.Info.SubjectsFilter = subjects.c_str();
  jsStreamNamesList* list = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  if (js_StreamNames(&list, jetstream, &options, &code) != NATS_OK) return {};
  StreamNamesHandle owner(list);
  std::string names;
  for (int i = 0; i < list->Count; ++i) names += std::string(" ") + list->List[i];
  return names;
}

// Returns also when somebody else was quicker: the caller looks again.
void create_stream(jsCtx* jetstream, const JetStreamSettings& settings, const std::string& subjects,
                   const std::string& description) {
  const std::string name = stream_name(settings.cluster);
  std::array<const char*, 1> subject_list = {subjects.c_str()};

  jsStreamConfig config;
  require_nats(jsStreamConfig_Init(&config), "stream " + name + " cannot be described");
  config.Name = name.c_str();
  config.Description = description.c_str();
  config.Subjects = subject_list.data();
  config.SubjectsLen = static_cast<int>(subject_list.size());
  config.Retention = js_LimitsPolicy;
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardNew;
  config.MaxMsgs = -1;
  config.MaxBytes = -1;
  config.MaxAge = 0;
  config.MaxMsgsPerSubject = -1;
  config.MaxMsgSize = -1;
  config.Replicas = settings.replicas;
  config.Duplicates = kDuplicateWindowNs;

  jsStreamInfo* info = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_AddStream(&info, jetstream, &config, nullptr, &code);
  StreamInfoHandle owner(info);
  if (status == NATS_OK || code == JSStreamNameExistErr) return;
  if (code == JSStreamSubjectOverlapErr) {
    throw Halt("another stream already takes subjects of " + subjects + ":" + streams_that_claim(jetstream, subjects) +
               "; change its subjects, or give this colony another name");
  }
  throw_unavailable("stream " + name + " cannot be created", status, code);
}

void require_setting(bool kept, const jsStreamConfig& config, const std::string& is, const std::string& remedy) {
  if (!kept) throw Halt(std::string("stream ") + config.Name + " would lose entries: " + is + "; " + remedy);
}

void require_edit(bool kept, const jsStreamConfig& config, const char* setting, std::int64_t value, const char* flag) {
  require_setting(kept, config, std::string(setting) + " is " + std::to_string(value),
                  std::string("lift it with: nats stream edit ") + config.Name + " " + flag);
}

// Every setting under which the broker may drop an entry that it has taken.
void require_settings_that_keep_entries(const jsStreamConfig& config, const std::string& subjects) {
  constexpr const char* kMakeAnew =
      "this cannot be changed: stop the nodes, move the stream away, and let Colony create it";
  require_setting(config.Storage == js_FileStorage, config, "storage is memory, not file", kMakeAnew);
  require_setting(config.Retention == js_LimitsPolicy, config,
                  config.Retention == js_InterestPolicy ? "retention is interest, not limits"
                                                        : "retention is work queue, not limits",
                  kMakeAnew);
  require_setting(config.SubjectsLen == 1 && config.Subjects[0] == subjects, config,
                  "its subjects are not exactly " + subjects,
                  std::string("set them with: nats stream edit ") + config.Name + " --subjects '" + subjects + "'");
  const bool discards_old = config.Discard != js_DiscardNew;
  require_edit(config.MaxAge == 0, config, "max_age (in ns)", config.MaxAge, "--max-age=0");
  require_edit(config.MaxMsgsPerSubject <= 0, config, "max_msgs_per_subject", config.MaxMsgsPerSubject,
               "--max-msgs-per-subject=-1");
  require_edit(!discards_old || config.MaxMsgs <= 0, config, "max_msgs", config.MaxMsgs, "--max-msgs=-1");
  require_edit(!discards_old || config.MaxBytes <= 0, config, "max_bytes", config.MaxBytes, "--max-bytes=-1");
}

// Epoch and hold, as the description tells them.
LogInfo require_description(const jsStreamConfig& config, const std::string& cluster) {
  const std::string_view description = config.Description == nullptr ? "" : config.Description;
  const std::string before = description_before_epoch(cluster);
  const std::string_view rest = description.starts_with(before) ? description.substr(before.size()) : "";
  const std::string_view epoch = rest.substr(0, kEpochDigits);
  const std::string_view hold = rest.substr(epoch.size());
  LogInfo info;
  info.epoch = epoch;
  for (const auto& [words, meaning] : {std::pair(kHeld, LogHold::kHeld), std::pair(kAnew, LogHold::kAnew)}) {
    if (!hold.starts_with(words)) continue;
    info.hold = meaning;
    info.held_by = hold.substr(words.size());
  }
  const bool is_epoch = epoch.size() == kEpochDigits && epoch.find_first_not_of("0123456789abcdef") == epoch.npos;
  if (!is_epoch || hold.empty() != (info.hold == LogHold::kFree)) {
    throw Halt(std::string("stream ") + config.Name + " was not made by Colony (its description is not '" + before +
               "…'): remove it or rename this colony");
  }
  return info;
}

StreamInfoHandle require_stream(jsCtx* jetstream, const std::string& cluster) {
  StreamInfoHandle stream = find_stream(jetstream, stream_name(cluster));
  if (!stream) throw LogUnavailable("stream " + stream_name(cluster) + " is gone");
  return stream;
}

// All other settings stay.
void update_stream(jsCtx* jetstream, jsStreamConfig* config, const std::string& subjects,
                   const std::string& description) {
  std::array<const char*, 1> subject_list = {subjects.c_str()};
  jsStreamConfig changed = *config;  // `config` goes on owning what it points to
  changed.Subjects = subject_list.data();
  changed.SubjectsLen = 1;
  changed.Description = description.c_str();
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_UpdateStream(nullptr, jetstream, &changed, nullptr, &code);
  if (status != NATS_OK) throw_unavailable(std::string("stream ") + config->Name + " cannot be changed", status, code);
}

// Whoever has taken the hold over meanwhile goes on with it, and not this caller.
StreamInfoHandle require_hold(jsCtx* jetstream, const std::string& cluster, const std::string& token) {
  StreamInfoHandle stream = require_stream(jetstream, cluster);
  if (require_description(*stream->Config, cluster).held_by == token) return stream;
  throw LogUnavailable("the log is no longer held by this colony recover, but by another one");
}

void purge_stream(jsCtx* jetstream, const std::string& cluster, Sequence first) {
  jsOptions options;
  require_nats(jsOptions_Init(&options), "a purge cannot be described");
  options.Stream.Purge.Sequence = first.value();
  jsErrCode code = static_cast<jsErrCode>(0);
  const std::string name = stream_name(cluster);
  const natsStatus status = js_PurgeStream(jetstream, name.c_str(), &options, &code);
  if (status != NATS_OK) throw_unavailable("stream " + name + " cannot be cut", status, code);
}

}  // namespace

std::string stream_name(const std::string& cluster) { return "COLONY_" + cluster; }

std::string node_subject(const std::string& cluster, const std::string& node) {
  return "colony." + cluster + ".log." + node;
}

LogInfo open_log_stream(jsCtx* jetstream, const JetStreamSettings& settings) {
  const std::string name = stream_name(settings.cluster);
  StreamInfoHandle stream = find_stream(jetstream, name);
  if (!stream) {
    if (settings.must_exist) {
      throw Halt("the log of colony " + settings.cluster + " is gone: the broker has no stream " + name +
                 " any more. Give it its store back, or run colony recover on one of the nodes");
    }
    if (settings.read_only) {
      throw NoSuchLog("the log of colony " + settings.cluster + " does not exist yet: start a node with colony run");
    }
    create_stream(jetstream, settings, all_subjects(settings.cluster),
                  description_before_epoch(settings.cluster) + random_epoch());
    // What counts is what the broker keeps, whoever asked for it.
    stream = find_stream(jetstream, name);
    if (!stream) throw LogUnavailable("stream " + name + " is not there yet after its creation");
  }

  LogInfo info = require_description(*stream->Config, settings.cluster);
  const bool is_free = info.hold == LogHold::kFree;
  require_settings_that_keep_entries(*stream->Config,
                                     is_free ? all_subjects(settings.cluster) : held_subjects(settings.cluster));
  info.created_ns = stream->Created;
  info.last = Sequence(stream->State.LastSeq);
  info.first = stream->State.Msgs == 0 ? info.last.next() : Sequence(stream->State.FirstSeq);
  info.entries = stream->State.Msgs;
  info.bytes = stream->State.Bytes;
  info.oldest_ns = stream->State.FirstTime;
  if (stream->Config->MaxMsgSize > 0) info.entry_bytes_max = static_cast<std::size_t>(stream->Config->MaxMsgSize);
  return info;
}

bool has_log_stream(jsCtx* jetstream, const std::string& cluster) {
  return find_stream(jetstream, stream_name(cluster)) != nullptr;
}

void hold_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token) {
  const StreamInfoHandle stream = require_stream(jetstream, cluster);
  const LogInfo info = require_description(*stream->Config, cluster);
  const std::string_view words = info.hold == LogHold::kAnew ? kAnew : kHeld;
  update_stream(jetstream, stream->Config, held_subjects(cluster),
                description_before_epoch(cluster) + info.epoch + std::string(words) + token);
}

void create_held_log_stream(jsCtx* jetstream, const JetStreamSettings& settings, const std::string& token) {
  create_stream(jetstream, settings, held_subjects(settings.cluster),
                description_before_epoch(settings.cluster) + random_epoch() + std::string(kAnew) + token);
  require_hold(jetstream, settings.cluster, token);
}

// The epoch first: what is purged is nobody's log from then on.
void renew_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token, Sequence first) {
  const StreamInfoHandle stream = require_hold(jetstream, cluster, token);
  update_stream(jetstream, stream->Config, held_subjects(cluster),
                description_before_epoch(cluster) + random_epoch() + std::string(kAnew) + token);
  purge_stream(jetstream, cluster, first);
}

void release_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token) {
  const StreamInfoHandle stream = require_hold(jetstream, cluster, token);
  const LogInfo info = require_description(*stream->Config, cluster);
  update_stream(jetstream, stream->Config, all_subjects(cluster), description_before_epoch(cluster) + info.epoch);
}

void remove_held_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token) {
  const StreamInfoHandle stream = require_hold(jetstream, cluster, token);
  jsErrCode code = static_cast<jsErrCode>(0);
  const natsStatus status = js_DeleteStream(jetstream, stream->Config->Name, nullptr, &code);
  if (status != NATS_OK) {
    throw_unavailable(std::string("stream ") + stream->Config->Name + " cannot be removed", status, code);
  }
}

void cut_log_stream(jsCtx* jetstream, const std::string& cluster, Sequence first) {
  purge_stream(jetstream, cluster, first);
}

}  // namespace colony
