#include <spdlog/fmt/fmt.h>

#include <array>
#include <memory>

#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cluster/members.h"
#include "replicator/compare/checks.h"
#include "replicator/fold/json.h"
#include "replicator/membership/enrollment.h"
#include "replicator/status/status.h"

namespace colony::cli {
namespace {

struct Report {
  Identity self;
  Sequence head;            // of the log, as far as is known
  std::string unreachable;  // why the broker was not asked; empty if it was
  std::vector<Member> members;
};

bool has_gone_away(const Member& member) {
  return member.standing == Standing::kLeft || member.standing == Standing::kRemoved;
}

// What the cluster status says may be seconds old; the file at hand is not.
void describe_self(const std::string& path, Database& db, NodeFile& file, Report& report) {
  const std::optional<StatusView> sidecar = Status::of(path);
  if (sidecar) report.head = std::max(report.head, sidecar->log_head);
  report.head = std::max(report.head, file.position());
  for (Member& member : report.members) {
    if (member.incarnation != report.self.incarnation) continue;
    if (!member.heartbeat) member.heartbeat.emplace();
    member.heartbeat->position = file.position();
    member.heartbeat->pending = file.pending_transactions();
    member.heartbeat->capture = to_string(capture_mode(db));
    member.heartbeat->state = to_string(sidecar ? sidecar->state : State::kStopped);
    member.heartbeat->error = sidecar && sidecar->state == State::kHalted ? sidecar->message : "";
    member.heartbeat->home = member.home;
    const std::vector<Drift> drift = CheckRecords(db).drift_of_node(member.node);
    if (drift.empty() || !sidecar || sidecar->state != State::kRunning) continue;
    member.heartbeat->state = kDiffers;
    member.heartbeat->error = to_text(drift.front());
  }
}

Report read_report(const std::string& path, const BrokerSettings& given, bool all) {
  Database db = open_database(path, Database::Mode::kReadOnly);
  NodeFile file(db);
  Report report;
  report.self = file.identity();
  const BrokerSettings broker = broker_of(path, given);
  std::optional<Heartbeats> heartbeats;
  try {
    JetStreamLog log(
        {.broker = broker, .cluster = report.self.cluster, .read_only = true, .client_name = "colony nodes"});
    report.head = log.info().last;
    ClusterStatus cluster_status(
        {.broker = broker, .cluster = report.self.cluster, .read_only = true, .client_name = "colony nodes"});
    heartbeats = read_heartbeats(cluster_status);
  } catch (const Error& error) {
    report.unreachable = error.what();
  }
  const Heartbeat* const own = heartbeats ? heartbeats->of(report.self.node, report.self.incarnation) : nullptr;
  db.execute("BEGIN");
  report.members = members_of(file, heartbeats ? &*heartbeats : nullptr, own != nullptr ? own->gone_after : kGoneAfter,
                              std::chrono::system_clock::now());
  if (!all) std::erase_if(report.members, has_gone_away);
  describe_self(path, db, file, report);
  return report;
}

std::uint64_t behind(const Report& report, const Heartbeat& heartbeat) {
  const std::uint64_t head = report.head.value();
  return head > heartbeat.position.value() ? head - heartbeat.position.value() : 0;
}

std::string shown_ago(std::chrono::seconds ago) {
  const std::int64_t s = ago.count();
  if (s < 120) return fmt::format("{} s ago", s);
  if (s < 2 * 3600) return fmt::format("{} min ago", s / 60);
  if (s < 2 * 86'400) return fmt::format("{} h ago", s / 3600);
  return fmt::format("{} days ago", s / 86'400);
}

// One word where all is well; what is wrong otherwise.
std::string shown_state(const Member& member) {
  switch (member.standing) {
    case Standing::kLeft:
      return fmt::format("left (entry {})", member.last_entry.value());
    case Standing::kRemoved:
      return fmt::format("removed by {} (entry {})", member.removed_by, member.last_entry.value());
    case Standing::kJoining:
      return "joining, " + member.heartbeat->state;
    case Standing::kSilent:
    case Standing::kGone:
      if (member.heartbeat->state == to_string(State::kStopped))
        return member.standing == Standing::kGone ? "gone" : "stopped";
      return std::string(to_string(member.standing)) + ", was " + member.heartbeat->state;
    case Standing::kLive:
    case Standing::kUnseen:
      return member.heartbeat ? member.heartbeat->state : "unseen";
  }
  return "unknown";
}

using Row = std::array<std::string, 9>;

Row row_of(const Report& report, const Member& member) {
  const bool known = member.heartbeat && !has_gone_away(member);
  return {member.node + (member.incarnation == report.self.incarnation ? " *" : ""),
          shown_state(member),
          known ? std::to_string(member.heartbeat->position.value()) : "-",
          known ? std::to_string(behind(report, *member.heartbeat)) : "-",
          known ? std::to_string(member.heartbeat->pending) : "-",
          known && !member.heartbeat->capture.empty() ? member.heartbeat->capture : "-",
          member.seen_ago              ? shown_ago(*member.seen_ago)
          : report.unreachable.empty() ? "never"
                                       : "-",
          member.version.empty() ? "-" : member.version,
          member.home.host + ":" + member.home.path};
}

void print_text(const Report& report) {
  std::vector<Row> rows = {{"node", "state", "position", "behind", "pending", "capture", "seen", "version", "where"}};
  for (const Member& member : report.members) rows.push_back(row_of(report, member));
  std::array<std::size_t, 9> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  fmt::print("colony {}, log up to {}\n", report.self.cluster, report.head.value());
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_number = i >= 2 && i <= 4;
      line += is_number ? fmt::format("{:>{}}  ", row[i], widths[i]) : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
  for (const Member& member : report.members) {
    if (member.heartbeat && !member.heartbeat->error.empty())
      fmt::print("{}: {}\n", member.node, member.heartbeat->error);
  }
  if (!report.unreachable.empty()) {
    fmt::print("note: {}; so this is what {}'s file knows by itself\n", report.unreachable, report.self.node);
  }
}

std::string json_of(const Report& report, const Member& member) {
  JsonObject json;
  json.add("node", member.node).add("incarnation", fmt::format("{:016x}", member.incarnation.value()));
  json.add("standing", to_string(member.standing)).add("last_entry", member.last_entry.value());
  if (member.heartbeat) {
    json.add("state", member.heartbeat->state).add("position", member.heartbeat->position.value());
    json.add("behind", behind(report, *member.heartbeat)).add("pending", member.heartbeat->pending);
  } else {
    json.add_null("state").add_null("position").add_null("behind").add_null("pending");
  }
  if (member.seen_ago) {
    json.add("seen_s_ago", static_cast<std::int64_t>(member.seen_ago->count()));
  } else {
    json.add_null("seen_s_ago");
  }
  json.add("version", member.version).add("host", member.home.host).add("path", member.home.path);
  const auto text_or_null = [&](const char* name, const std::string& text) {
    if (text.empty()) {
      json.add_null(name);
    } else {
      json.add(name, text);
    }
  };
  text_or_null("capture", member.heartbeat ? member.heartbeat->capture : "");
  text_or_null("error", member.heartbeat ? member.heartbeat->error : "");
  text_or_null("removed_by", member.removed_by);
  return json.text();
}

void print_json(const Report& report) {
  std::vector<std::string> nodes;
  for (const Member& member : report.members) nodes.push_back(json_of(report, member));
  JsonObject json;
  json.add("cluster", report.self.cluster).add("node", report.self.node).add("log_head", report.head.value());
  if (report.unreachable.empty()) {
    json.add_null("broker_error");
  } else {
    json.add("broker_error", report.unreachable);
  }
  json.add_raw("nodes", json_array(nodes));
  fmt::print("{}\n", json.text());
}

}  // namespace

void add_nodes(CLI::App& app, int& exit_code) {
  struct Arguments {
    std::string path;
    BrokerSettings broker;
    bool all = false, json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("nodes", "Show all nodes of a colony");
  add_database(*command, arguments->path);
  command->add_flag("--all", arguments->all, "Show also nodes that have left or were removed");
  command->add_flag("--json", arguments->json, "Print one JSON document");
  add_broker(*command, arguments->broker);
  command->footer(
      "node      its name; * marks DB's node\n"
      "state     as colony status shows it, or one of:\n"
      "  silent, was ...  not heard from for half a minute: the machine or its network is down\n"
      "  gone             not heard from for longer than --gone-after of colony run\n"
      "  unseen           in the log, but its sidecar has not reported since\n"
      "  joining          reports, but DB has not read its hello in the log yet\n"
      "  left, removed    no longer a member (only with --all)\n"
      "position  the last entry of the log that its file had absorbed when last seen\n"
      "behind    how many entries that is before the end of the log\n"
      "pending   its transactions that had not come back in the log yet\n"
      "capture   how what its programs commit is captured: session or wal (see colony init --help)\n"
      "\n"
      "Without a broker it shows what DB's file knows, and says so.\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.");
  command->callback([arguments, &exit_code] {
    const Report report = read_report(arguments->path, arguments->broker, arguments->all);
    if (arguments->json) {
      print_json(report);
    } else {
      print_text(report);
    }
    exit_code = kDone;
  });
}

}  // namespace colony::cli
