// The stream that is a colony's log: its name, its settings, its creation.
#pragma once

#include <string>

#include "replicator/broker/jetstream_log.h"
#include "replicator/broker/nats_handles.h"

namespace colony {

std::string stream_name(const std::string& cluster);
std::string node_subject(const std::string& cluster, const std::string& node);

// Looks at the stream, and creates it if it is missing and that is allowed.
// Whoever creates it at the same time, all are told of the same one. Throws
// LogUnavailable, Error or Halt as JetStreamLog::info() does. entry_bytes_max is
// the stream's limit only, and 0 when it has none.
LogInfo open_log_stream(jsCtx* jetstream, const JetStreamSettings& settings);

bool has_log_stream(jsCtx* jetstream, const std::string& cluster);

// What `colony recover` does to the stream: see JetStreamLog. Throws LogUnavailable.
void hold_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token);
void create_held_log_stream(jsCtx* jetstream, const JetStreamSettings& settings, const std::string& token);
void renew_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token, Sequence first);
void release_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token);
void remove_held_log_stream(jsCtx* jetstream, const std::string& cluster, const std::string& token);

// Removes what stands before `first`. Throws LogUnavailable.
void cut_log_stream(jsCtx* jetstream, const std::string& cluster, Sequence first);

}  // namespace colony
