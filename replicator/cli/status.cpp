#include "replicator/node/status.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "replicator/cli/command.h"
#include "replicator/node/departure.h"
#include "replicator/node/enrollment.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/json.h"
#include "replicator/store/wal_index.h"

namespace colony::cli {
namespace {

// Of the write-ahead log and its locks.
struct LogFile {
  std::uint64_t bytes = 0;
  WalIndex::Fill fill;
  std::vector<LockHolder> writers, readers;  // other processes; see wal_index.h
};

struct Report {
  Identity identity;
  std::string capture;
  Sequence position;
  std::int64_t pending = 0;
  std::int64_t conflicts = 0;
  std::optional<Departure> departure;  // if it is no member any more
  std::vector<std::string> tables;
  std::vector<std::string> warnings;
  StatusView sidecar;
  LogFile log_file;
  Trust trust;
};

double seconds_since(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// A wait of less is the ordinary course of things.
constexpr double kWaitWorthTelling_s = 1;
constexpr double kBlockWorthTelling_s = 10;

std::optional<double> lock_wait_s(const Report& report) {
  if (!report.sidecar.lock_wait) return std::nullopt;
  const double seconds = seconds_since(*report.sidecar.lock_wait);
  return seconds >= kWaitWorthTelling_s ? std::optional(seconds) : std::nullopt;
}

std::optional<double> checkpoint_blocked_s(const Report& report) {
  if (!report.sidecar.checkpoint_blocked) return std::nullopt;
  const double seconds = seconds_since(*report.sidecar.checkpoint_blocked);
  return seconds >= kWaitWorthTelling_s ? std::optional(seconds) : std::nullopt;
}

std::vector<std::string> find_warnings(Database& db, const Report& report) {
  std::vector<std::string> warnings;
  for (const std::string& table : report.tables) {
    Statement exists(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1");
    exists.bind(1, table);
    if (!exists.step()) {
      warnings.push_back("table " + table + " is replicated but no longer there");
    } else if (!has_guards(db, table)) {
      warnings.push_back("table " + table + " has lost its capture: run colony init again");
    }
  }
  if (report.sidecar.passed_over > 0) {
    warnings.push_back(std::to_string(report.sidecar.passed_over) +
                       " messages in the log were no entries of this colony, and were passed over by every node");
  }
  if (const auto seconds = lock_wait_s(report)) {
    warnings.push_back(
        fmt::format("the sidecar has waited {:.0f} s for the write lock, which {} holds: end its "
                    "transaction",
                    *seconds, to_string(report.log_file.writers)));
  }
  if (const auto seconds = checkpoint_blocked_s(report); seconds && *seconds >= kBlockWorthTelling_s) {
    warnings.push_back(
        fmt::format("the write-ahead log has not been emptied for {:.0f} s and grows, because of read "
                    "transactions that stay open: {}",
                    *seconds, to_string(report.log_file.readers)));
  }
  if (const StatusView::Stall& stall = report.sidecar.stalled; !stall.loop.empty()) {
    warnings.push_back(fmt::format("the {} has made no progress for {:.0f} s ({}): {}", stall.loop,
                                   seconds_since(stall.since), stall.doing, stall.advice));
  }
  if (!report.sidecar.trouble.empty()) {
    warnings.push_back("no snapshot can be made, and the log is not cut: " + report.sidecar.trouble);
  }
  if (report.departure) {
    warnings.push_back(departure_message(report.identity, *report.departure) + "; " + std::to_string(report.pending) +
                       " transactions are not sent");
  } else if (report.sidecar.state == State::kStopped && report.pending > 0) {
    warnings.push_back("no sidecar runs, and " + std::to_string(report.pending) +
                       " transactions wait to be sent: start colony run");
  }
  return warnings;
}

// Before this process opens the database itself: see wal_index.h.
LogFile read_log_file(const std::string& path) {
  LogFile log;
  std::error_code ignored;
  const std::filesystem::path database = std::filesystem::canonical(path, ignored);
  if (ignored) return log;
  const auto bytes = std::filesystem::file_size(database.string() + "-wal", ignored);
  if (!ignored) log.bytes = bytes;
  WalIndex index(database);
  log.fill = index.fill().value_or(WalIndex::Fill{});
  log.writers = index.writers();
  log.readers = index.readers_in_the_way();
  return log;
}

Report read_report(const std::string& path) {
  const LogFile log_file = read_log_file(path);
  Database db = open_database(path, Database::Mode::kReadOnly);
  db.execute("BEGIN");
  NodeFile file(db);
  Report report;
  report.log_file = log_file;
  report.identity = file.identity();
  report.capture = db.query_text("SELECT value FROM __colony_meta WHERE key = 'capture'");
  report.trust = file.trust();
  report.position = file.position();
  report.pending = file.pending_transactions();
  report.conflicts = db.query_integer("SELECT count(*) FROM __colony_conflicts WHERE sequence > 0");
  report.tables = replicated_tables(db);
  const auto departures = file.departures();
  if (const auto own = departures.find(report.identity.incarnation); own != departures.end()) {
    report.departure = own->second;
  }
  report.sidecar = Status::of(path).value_or(StatusView{});
  report.warnings = find_warnings(db, report);
  return report;
}

std::uint64_t lag_of(const Report& report) {
  const std::uint64_t head = report.sidecar.log_head.value();
  return head > report.position.value() ? head - report.position.value() : 0;
}

// What is being caught up with: entries of the log, or transactions of the outbox.
struct Backlog {
  std::uint64_t done = 0;
  std::uint64_t left = 0;
  double per_s = 0;

  std::optional<std::int64_t> seconds_left() const {
    if (per_s <= 0) return std::nullopt;
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(left) / per_s));
  }
};

std::optional<Backlog> catching_up(const Report& report) {
  if (report.sidecar.state != State::kCatchingUp) return std::nullopt;
  const CatchingUp& pace = report.sidecar.catching_up;
  const std::uint64_t done = report.position > pace.from ? report.position.value() - pace.from.value() : 0;
  return Backlog{done, lag_of(report), pace.entries_per_s};
}

// An outbox that is as good as empty is the ordinary course of things.
std::optional<Backlog> sending(const Report& report) {
  constexpr std::int64_t kWorthTelling = 1000;
  if (report.sidecar.state != State::kRunning || report.pending < kWorthTelling) return std::nullopt;
  const Sending& pace = report.sidecar.sending;
  return Backlog{pace.sent, static_cast<std::uint64_t>(report.pending), pace.transactions_per_s};
}

std::string json_backlog(const Backlog& backlog, const char* left, const char* per_s, const Report& report) {
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

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

// `812,000 of 1,000,000 entries, about 12 s left`
std::string text_of(const Backlog& backlog, const char* unit) {
  std::string text = with_commas(backlog.done) + " of " + with_commas(backlog.done + backlog.left) + " " + unit;
  const auto seconds = backlog.seconds_left();
  if (!seconds) return text + ", time left not yet known";
  if (*seconds < 120) return text + ", about " + std::to_string(*seconds) + " s left";
  return text + ", about " + std::to_string((*seconds + 59) / 60) + " min left";
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
void add_locks(JsonObject& json, const Report& report) {
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

void print_json(const Report& report) {
  const bool runs = report.sidecar.state != State::kStopped;
  std::vector<std::string> tables, warnings;
  for (const std::string& table : report.tables) tables.push_back(json_string(table));
  for (const std::string& warning : report.warnings) warnings.push_back(json_string(warning));
  JsonObject json;
  json.add("cluster", report.identity.cluster).add("node", report.identity.node);
  json.add("state", to_string(report.sidecar.state)).add("position", report.position.value());
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
  const auto add_backlog = [&](const char* key, const std::optional<Backlog>& backlog, const char* left,
                               const char* per_s) {
    if (backlog) {
      json.add_raw(key, json_backlog(*backlog, left, per_s, report));
    } else {
      json.add_null(key);
    }
  };
  add_backlog("catching_up", catching_up(report), "behind", "entries_per_s");
  add_backlog("sending", sending(report), "left", "transactions_per_s");
  add_locks(json, report);
  if (const StatusView::Stall& stall = report.sidecar.stalled; !stall.loop.empty()) {
    JsonObject told;
    told.add("loop", stall.loop).add("doing", stall.doing).add_raw("seconds", seconds_text(seconds_since(stall.since)));
    told.add("advice", stall.advice);
    json.add_raw("stalled", told.text());
  } else {
    json.add_null("stalled");
  }
  json.add("pending", report.pending).add("conflicts", report.conflicts).add("capture", report.capture);
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
  json.add("passed_over", report.sidecar.passed_over).add("passed_over_unsigned", report.sidecar.untrusted);
  if (runs) {
    json.add("pid", report.sidecar.pid).add("broker", report.sidecar.broker).add("version", report.sidecar.version);
  } else {
    json.add_null("pid").add_null("broker").add_null("version");
  }
  fmt::print("{}\n", json.text());
}

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

std::string log_file_text(const Report& report) {
  const LogFile& file = report.log_file;
  std::string text = mebibytes(file.bytes);
  if (const std::uint32_t left = file.fill.pages - file.fill.checkpointed; left > 0) {
    text += fmt::format(", {} of {} pages not yet in the database", with_commas(left), with_commas(file.fill.pages));
  }
  return text;
}

void print_text(const Report& report) {
  const StatusView& sidecar = report.sidecar;
  const bool runs = sidecar.state != State::kStopped;
  const auto line = [](const char* name, const std::string& text) { fmt::print("{:<11} {}\n", name, text); };
  line("node", report.identity.node + " of colony " + report.identity.cluster);
  line("state", std::string(to_string(sidecar.state)) +
                    (runs ? " (process " + std::to_string(sidecar.pid) + ", " + sidecar.broker + ")" : ""));
  if (!sidecar.message.empty()) line("error", sidecar.message);
  std::string position = std::to_string(report.position.value());
  if (runs) {
    position += " of " + std::to_string(sidecar.log_head.value());
    if (lag_of(report) > 0) position += ", " + std::to_string(lag_of(report)) + " behind";
    if (lag_of(report) > 0 && sidecar.behind) {
      position += fmt::format(" for {:.0f} s", seconds_since(*sidecar.behind));
    }
  }
  line("position", position);
  if (const auto backlog = catching_up(report)) line("catching up", text_of(*backlog, "entries"));
  if (const auto backlog = sending(report)) line("sending", text_of(*backlog, "transactions"));
  line("pending", std::to_string(report.pending) + (report.pending == 1 ? " transaction" : " transactions"));
  line("conflicts", std::to_string(report.conflicts) + (report.conflicts > 0 ? " (see colony conflicts)" : ""));
  line("wal", log_file_text(report));
  if (sidecar.passed_over > 0) line("passed over", std::to_string(sidecar.passed_over) + " that were no entries");
  if (sidecar.untrusted > 0)
    line("untrusted", std::to_string(sidecar.untrusted) + " passed over, unsigned or wrongly signed");
  if (report.trust.is_in_force()) line("trusts", std::to_string(report.trust.keys.size()) + " keys (see colony trust)");
  line("capture", report.capture);
  std::string tables;
  for (const std::string& table : report.tables) tables += (tables.empty() ? "" : ", ") + table;
  line("tables", tables.empty() ? "none" : tables);
  for (const std::string& warning : report.warnings) line("warning", warning);
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* const command = app.add_subcommand("status", "Show how a node is doing; needs no sidecar and no broker");
  add_database(*command, *path);
  command->add_flag("--json", *json, "Print one JSON document");
  command->footer(
      "state      stopped             no sidecar runs\n"
      "           starting            it has not yet asked the log\n"
      "           waiting_for_broker  no broker answers; the app goes on, and what it writes is kept\n"
      "           catching_up         it reads what it has missed\n"
      "           running             all is well\n"
      "           halted              it stopped by itself: `error` says why and what to do\n"
      "position   the last entry of the log that this file has absorbed\n"
      "catching up, sending   what is done of what was missed, or waits in the outbox, and the time left at\n"
      "           the pace of the latest ten seconds\n"
      "wal        how large the write-ahead log is, and how much of it readers keep from the database\n"
      "pending    transactions of this node that the log has not yet handed back\n"
      "untrusted  messages that were passed over since the sidecar's start, because they are not signed by their\n"
      "           node's key: somebody else writes to the log, or a node runs without its key");
  command->callback([path, json, &exit_code] {
    const Report report = read_report(*path);
    if (*json) {
      print_json(report);
    } else {
      print_text(report);
    }
    exit_code = kDone;
  });
}

}  // namespace colony::cli
