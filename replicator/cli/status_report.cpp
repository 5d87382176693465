#include "replicator/cli/status_report.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <ctime>
#include <filesystem>

#include "replicator/apply/departure.h"
#include "replicator/cluster/heartbeat.h"
#include "replicator/membership/enrollment.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/replicated_schema.h"
#include "replicator/store/schema_agreement.h"

namespace colony::cli {
namespace {

// A wait of less is the ordinary course of things.
constexpr double kWaitWorthTelling_s = 1;
constexpr double kBlockWorthTelling_s = 10;

// The sidecar that has halted for it says the same. In wal mode only the sidecar can tell a change
// that it will not capture from one that it has not yet.
void find_changed_tables(Database& db, const StatusReport& report, std::vector<std::string>& troubles) {
  if (capture_mode(db) == CaptureMode::kWal) return;
  const std::vector<ChangedTable> broken = find_schema_changes(db).broken;
  if (!broken.empty() && report.sidecar.message != advice_on(broken)) troubles.push_back(advice_on(broken));
}

void find_held_locks(const StatusReport& report, std::vector<std::string>& warnings) {
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
}

// What is no reason to come: it is known, or passes.
void find_warnings(Database& db, StatusReport& report) {
  std::vector<std::string>& warnings = report.warnings;
  if (report.sidecar.ignored > 0) {
    warnings.push_back(std::to_string(report.sidecar.ignored) +
                       " messages in the log are not entries of this colony; every node ignored them");
  }
  if (report.sidecar.uncaptured > 0) {
    warnings.push_back(fmt::format(
        "programs have changed {} rows since the sidecar's start that were not captured within their commit (latest: "
        "{}); they were captured late: see what writes without colony.so or has dropped the guards, and run colony "
        "init to put them back",
        report.sidecar.uncaptured, report.sidecar.uncaptured_row));
  }
  for (const auto& [table, why] : unchecked_tables(db)) {
    warnings.push_back(fmt::format(
        "table {}: {}; it has not been compared with the other nodes since, which colony run does", table, why));
  }
  find_held_locks(report, warnings);
  for (const Drift& drift : drift_of(CheckRecords(db).findings())) {
    if (!drift.odd.contains(report.identity.node)) warnings.push_back(to_text(drift) + " (see colony status there)");
  }
}

// Why the state alone is one: a sidecar that reads on what it has missed is well.
std::string trouble_of_state(const StatusReport& report) {
  switch (report.sidecar.state) {
    case State::kStopped:
      if (report.pending > 0 && !report.departure) {
        return "no sidecar runs, and " + std::to_string(report.pending) +
               " transactions wait to be sent: start colony run";
      }
      return report.departure ? "" : "no sidecar runs: start colony run";
    case State::kWaitingForBroker:
      return "no broker answers: what programs write is kept here until it does";
    case State::kHalted:
      return "the sidecar has halted: `error` says why and what to do";
    case State::kStarting:
    case State::kCatchingUp:
    case State::kRunning:
      break;
  }
  return "";
}

std::string utc_text(std::int64_t ns_since_1970) {
  const auto seconds = static_cast<std::time_t>(ns_since_1970 / 1'000'000'000);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(seconds));
}

std::string trouble_of(const Drift& drift, const std::string& path) {
  return fmt::format(
      "{} (as of entry {}, since {}): colony verify {} compares all rows, colony repair {} --dry-run shows the rows",
      to_text(drift), drift.position.value(), utc_text(drift.since_ns), path, path);
}

void find_troubles(Database& db, const std::string& path, StatusReport& report) {
  std::vector<std::string>& troubles = report.troubles;
  if (const std::string trouble = trouble_of_state(report); !trouble.empty()) troubles.push_back(trouble);
  if (report.departure) {
    troubles.push_back(departure_message(report.identity, *report.departure) + "; " + std::to_string(report.pending) +
                       " transactions are not sent");
  }
  for (const Drift& drift : report.drift) troubles.push_back(trouble_of(drift, path));
  find_changed_tables(db, report, troubles);
  if (const StatusView::Stall& stall = report.sidecar.stalled; !stall.loop.empty()) {
    troubles.push_back(fmt::format("the {} has made no progress for {:.0f} s ({}): {}", stall.loop,
                                   seconds_since(stall.since), stall.doing, stall.advice));
  }
  if (!report.sidecar.trouble.empty()) {
    troubles.push_back("no snapshot can be made, and the log is not cut: " + report.sidecar.trouble);
  }
}

std::vector<std::string> tables_with_null_keys(Database& db) {
  ReplicatedSchema schema;
  schema.load(db);
  std::vector<std::string> names;
  for (const auto& [name, table] : schema.tables()) {
    if (table.key_allows_null()) names.push_back(name);
  }
  return names;
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

}  // namespace

double seconds_since(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

std::optional<double> lock_wait_s(const StatusReport& report) {
  if (!report.sidecar.lock_wait) return std::nullopt;
  const double seconds = seconds_since(*report.sidecar.lock_wait);
  return seconds >= kWaitWorthTelling_s ? std::optional(seconds) : std::nullopt;
}

std::optional<double> checkpoint_blocked_s(const StatusReport& report) {
  if (!report.sidecar.checkpoint_blocked) return std::nullopt;
  const double seconds = seconds_since(*report.sidecar.checkpoint_blocked);
  return seconds >= kWaitWorthTelling_s ? std::optional(seconds) : std::nullopt;
}

StatusReport read_status_report(const std::string& path) {
  const LogFile log_file = read_log_file(path);
  Database db = open_database(path, Database::Mode::kReadOnly);
  db.execute("BEGIN");
  NodeFile file(db);
  StatusReport report;
  report.log_file = log_file;
  report.identity = file.identity();
  report.capture = to_string(capture_mode(db));
  report.format = db.query_integer("SELECT value FROM __colony_meta WHERE key = 'format'");
  report.trust = file.trust();
  report.position = file.position();
  report.pending = file.pending_transactions();
  report.conflicts = db.query_integer("SELECT count(*) FROM __colony_conflicts WHERE sequence > 0");
  report.tables = replicated_tables(db);
  if (capture_mode(db) == CaptureMode::kWal) report.null_keys = tables_with_null_keys(db);
  const auto departures = file.departures();
  if (const auto own = departures.find(report.identity.incarnation); own != departures.end()) {
    report.departure = own->second;
  }
  report.sidecar = Status::of(path).value_or(StatusView{});
  report.drift = CheckRecords(db).drift_of_node(report.identity.node);
  find_troubles(db, path, report);
  find_warnings(db, report);
  return report;
}

std::string state_of(const StatusReport& report) {
  const State state = report.sidecar.state;
  const bool is_fine = state == State::kRunning || state == State::kCatchingUp || state == State::kStarting;
  return is_fine && !report.drift.empty() ? kDiffers : to_string(state);
}

std::uint64_t lag_of(const StatusReport& report) {
  const std::uint64_t head = report.sidecar.log_head.value();
  return head > report.position.value() ? head - report.position.value() : 0;
}

std::optional<std::int64_t> Backlog::seconds_left() const {
  if (per_s <= 0) return std::nullopt;
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(left) / per_s));
}

std::optional<Backlog> catching_up(const StatusReport& report) {
  if (report.sidecar.state != State::kCatchingUp) return std::nullopt;
  const CatchingUp& rate = report.sidecar.catching_up;
  const std::uint64_t done = report.position > rate.from ? report.position.value() - rate.from.value() : 0;
  return Backlog{done, lag_of(report), rate.entries_per_s};
}

// An outbox that is as good as empty is the ordinary course of things.
std::optional<Backlog> sending(const StatusReport& report) {
  constexpr std::int64_t kWorthTelling = 1000;
  if (report.sidecar.state != State::kRunning || report.pending < kWorthTelling) return std::nullopt;
  const Sending& rate = report.sidecar.sending;
  return Backlog{rate.sent, static_cast<std::uint64_t>(report.pending), rate.transactions_per_s};
}

}  // namespace colony::cli
