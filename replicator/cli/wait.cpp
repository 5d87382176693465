#include <spdlog/fmt/fmt.h>

#include <memory>
#include <thread>

#include "replicator/apply/departure.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/captured.h"
#include "replicator/cli/command.h"
#include "replicator/cli/timeout.h"
#include "replicator/membership/enrollment.h"
#include "replicator/status/status.h"
#include "replicator/wal/own_transaction.h"

namespace colony::cli {
namespace {

constexpr std::chrono::milliseconds kLook{5};
constexpr std::chrono::milliseconds kBrokerRetry{100};

// Looks at the file until `reached` or the deadline; true if reached.
template <class Reached>
bool look_until(const Deadline& deadline, Reached&& reached) {
  while (!reached()) {
    if (deadline.over()) return false;
    std::this_thread::sleep_for(kLook);
  }
  return true;
}

// The last chunk of all that is committed now; nothing if it could not be captured in time. A
// sidecar may only just be finding what it has missed.
std::optional<ChunkNumber> end_of_committed(const std::string& path, const Deadline& deadline, std::string& why) {
  ChunkNumber end;
  const auto go_on = [&] { return !deadline.over(); };
  for (;;) {
    try {
      look_at_captured(path, go_on, [&](NodeFile& file) { end = file.outbox_end(); });
      return end;
    } catch (const NotCaptured& error) {
      why = error.what();
    } catch (const SqliteError& error) {
      if (error.code() != SQLITE_BUSY) throw;
      why = "a program holds the write lock, and what it has committed is not captured";
    }
    if (deadline.over()) return std::nullopt;
  }
}

// The log's end as of now; nothing if the broker did not tell in time. The sidecar
// may only just be starting: then neither its broker nor its log is known yet.
std::optional<Sequence> log_end(const std::string& path, const BrokerSettings& given, const std::string& cluster,
                                const Deadline& deadline, std::string& why) {
  BrokerSettings broker;
  std::unique_ptr<JetStreamLog> log;
  for (;;) {
    if (BrokerSettings now = broker_of(path, given); !log || now != broker) {
      broker = std::move(now);
      log = std::make_unique<JetStreamLog>(
          JetStreamSettings{.broker = broker, .cluster = cluster, .read_only = true, .client_name = "colony wait"});
    }
    try {
      return log->info().last;
    } catch (const LogUnavailable& error) {
      why = error.what();
      if (deadline.over()) return std::nullopt;
    } catch (const Error&) {
      if (deadline.over()) throw;
    }
    std::this_thread::sleep_for(std::min(kBrokerRetry, deadline.left()));
  }
}

int wait(const std::string& path, const BrokerSettings& given, double timeout_s) {
  const Deadline deadline(timeout_s);
  Database db = open_database(path, Database::Mode::kReadOnly);
  NodeFile file(db);
  const auto give_up = [&](const std::string& why) {
    const std::optional<StatusView> sidecar = Status::of(path);
    std::string state = sidecar ? to_string(sidecar->state) : "stopped";
    if (sidecar && !sidecar->message.empty()) state += ": " + sidecar->message;
    fmt::print(stderr, "colony: not in step after {} s: {}; the sidecar is {}\n", timeout_s, why, state);
    return kNo;
  };

  const auto departures = file.departures();
  if (const auto own = departures.find(file.identity().incarnation); own != departures.end()) {
    throw Error(departure_message(file.identity(), own->second));
  }

  // Everything that is committed now; what comes later is not waited for.
  std::string why;
  const std::optional<ChunkNumber> committed = end_of_committed(path, deadline, why);
  if (!committed) return give_up(why);
  if (!look_until(deadline, [&] { return file.absorbed() >= *committed; })) {
    return give_up(std::to_string(file.pending_transactions()) + " transactions are not in the log");
  }
  const std::optional<Sequence> end = log_end(path, given, file.identity().cluster, deadline, why);
  if (!end) return give_up(why);
  if (!look_until(deadline, [&] { return file.position() >= *end; })) {
    return give_up(fmt::format("position {} of {}", file.position().value(), end->value()));
  }
  return kDone;
}

}  // namespace

void add_wait(CLI::App& app, int& exit_code) {
  struct Arguments {
    std::string path;
    BrokerSettings broker;
    double timeout_s = 30;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("wait", "Wait until a node is in step with the log");
  add_database(*command, arguments->path);
  command->add_option("--timeout", arguments->timeout_s, "Give up after this long (500ms, 5s, 10min)")
      ->default_str("30s")
      ->transform(duration_in_seconds())
      ->type_name("TIME");
  add_broker(*command, arguments->broker);
  command->footer(
      "Returns when everything that this node had committed is in the log, and the node has absorbed everything that "
      "was in the log by then. The sidecar must be running.\n"
      "\n"
      "Exit codes: 0 in step; 1 not in time; 2 it could not be found out.\n"
      "\n"
      "  colony wait app.db --timeout 10s && colony verify app.db");
  command->callback(
      [arguments, &exit_code] { exit_code = wait(arguments->path, arguments->broker, arguments->timeout_s); });
}

}  // namespace colony::cli
