#include <spdlog/fmt/fmt.h>

#include "replicator/cli/status_report.h"
#include "replicator/fold/json.h"

namespace colony::cli {
namespace {

std::string json_backlog(const Backlog& backlog, const char* left, const char* per_s, const StatusReport& report) {
  JsonObject json;
  json.add(left, backlog.left).add("done", backlog.done).add("pending", report.pending);
  json.add_raw(per_s, fmt::format("{:.1f}", backlog.per_s));
  if (const auto seconds = backlog.seconds_left()) {
    json.add("seconds_left", *seconds);
  } else {
    json.add_null("seconds_left");
  }
  return json.text();
}

std::string json_holders(const std::vector<LockHolder>& holders) {
  std::vector<std::string> elements;
  for (const LockHolder& holder : holders) {
    JsonObject json;
    json.add("pid", std::int64_t{holder.process}).add("command", holder.command);
    elements.push_back(json.text());
  }
  return json_array(elements);
}

std::string seconds_text(double seconds) { return fmt::format("{:.1f}", seconds); }

// What the sidecar waits for, and the write-ahead log.
void add_locks(JsonObject& json, const StatusReport& report) {
  if (const auto seconds = lock_wait_s(report)) {
    JsonObject wait;
    wait.add_raw("seconds", seconds_text(*seconds)).add_raw("held_by", json_holders(report.log_file.writers));
    json.add_raw("lock_wait", wait.text());
  } else {
    json.add_null("lock_wait");
  }
  const LogFile& file = report.log_file;
  JsonObject log;
  log.add("bytes", file.bytes).add("pages", std::uint64_t{file.fill.pages});
  log.add("not_checkpointed", std::uint64_t{file.fill.pages - file.fill.checkpointed});
  const auto blocked = checkpoint_blocked_s(report);
  if (blocked) {
    log.add_raw("blocked_s", seconds_text(*blocked));
  } else {
    log.add_null("blocked_s");
  }
  log.add_raw("blocked_by", blocked ? json_holders(file.readers) : "[]");
  json.add_raw("wal", log.text());
}

// How far the file is behind the log: as the sidecar knows.
void add_lag(JsonObject& json, const StatusReport& report, bool runs) {
  if (runs) {
    json.add("log_head", report.sidecar.log_head.value()).add("lag", lag_of(report));
  } else {
    json.add_null("log_head").add_null("lag");
  }
  if (runs && report.sidecar.behind) {
    json.add_raw("lag_s", seconds_text(seconds_since(*report.sidecar.behind)));
  } else if (runs) {
    json.add("lag_s", std::int64_t{0});
  } else {
    json.add_null("lag_s");
  }
}

void add_backlog(JsonObject& json, const char* key, const std::string& backlog) {
  if (backlog.empty()) {
    json.add_null(key);
  } else {
    json.add_raw(key, backlog);
  }
}

void add_stall(JsonObject& json, const StatusReport& report) {
  if (const StatusView::Stall& stall = report.sidecar.stalled; !stall.loop.empty()) {
    JsonObject told;
    told.add("loop", stall.loop).add("doing", stall.doing).add_raw("seconds", seconds_text(seconds_since(stall.since)));
    told.add("advice", stall.advice);
    json.add_raw("stalled", told.text());
  } else {
    json.add_null("stalled");
  }
}

std::string json_of(const std::set<std::string>& names) {
  std::vector<std::string> elements;
  for (const std::string& name : names) elements.push_back(json_string(name));
  return json_array(elements);
}

std::string json_of(const std::vector<Drift>& tables) {
  std::vector<std::string> elements;
  for (const Drift& drift : tables) {
    JsonObject json;
    json.add("table", drift.table).add_raw("nodes", json_of(drift.odd)).add_raw("others", json_of(drift.even));
    json.add("position", drift.position.value()).add("since_s", drift.since_ns / 1'000'000'000);
    elements.push_back(json.text());
  }
  return json_array(elements);
}

}  // namespace

void print_json(const StatusReport& report) {
  const bool runs = report.sidecar.state != State::kStopped;
  std::vector<std::string> tables, null_keys, warnings;
  for (const std::string& table : report.tables) tables.push_back(json_string(table));
  for (const std::string& table : report.null_keys) null_keys.push_back(json_string(table));
  for (const std::string& trouble : report.troubles) warnings.push_back(json_string(trouble));
  for (const std::string& warning : report.warnings) warnings.push_back(json_string(warning));
  JsonObject json;
  json.add("cluster", report.identity.cluster).add("node", report.identity.node);
  json.add("state", state_of(report)).add("well", report.troubles.empty());
  json.add_raw("differs", json_of(report.drift)).add("position", report.position.value());
  add_lag(json, report, runs);
  const auto backlog = catching_up(report), unsent = sending(report);
  add_backlog(json, "catching_up", backlog ? json_backlog(*backlog, "behind", "entries_per_s", report) : "");
  add_backlog(json, "sending", unsent ? json_backlog(*unsent, "left", "transactions_per_s", report) : "");
  add_locks(json, report);
  add_stall(json, report);
  json.add("pending", report.pending).add("conflicts", report.conflicts).add("capture", report.capture);
  json.add("format", report.format);
  if (report.departure) {
    json.add("left", report.departure->sequence.value());
  } else {
    json.add_null("left");
  }
  if (report.sidecar.message.empty()) {
    json.add_null("error");
  } else {
    json.add("error", report.sidecar.message);
  }
  json.add("trust_version", report.trust.version);
  json.add_raw("warnings", json_array(warnings)).add_raw("tables", json_array(tables));
  json.add_raw("null_keys", json_array(null_keys));
  json.add("passed_over", report.sidecar.ignored).add("passed_over_unsigned", report.sidecar.untrusted);
  json.add("uncaptured", report.sidecar.uncaptured).add("unwatched", report.sidecar.unwatched);
  if (runs) {
    json.add("pid", report.sidecar.pid).add("broker", report.sidecar.broker).add("version", report.sidecar.version);
  } else {
    json.add_null("pid").add_null("broker").add_null("version");
  }
  fmt::print("{}\n", json.text());
}

}  // namespace colony::cli
