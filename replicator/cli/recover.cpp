#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>

#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/cli/timeout.h"
#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/recovery/recovery.h"
#include "replicator/recovery/recovery_place.h"

namespace colony::cli {
namespace {

using Kind = RecoveryDecision::Kind;

struct Arguments {
  std::string path, snapshots;
  BrokerSettings broker;
  std::vector<std::string> without;
  double timeout_s = 60;
  int replicas = 1;
  bool dry_run = false;
};

volatile std::sig_atomic_t interrupted = 0;

using Row = std::array<std::string, 5>;

std::string shown(const VersionVector& version_vector) {
  std::map<std::string, std::string> by_name;
  for (const auto& [incarnation, entry] : version_vector) {
    if (incarnation == kKeysEntry) continue;
    std::string& text = by_name[entry.node];
    text +=
        (text.empty() ? entry.node + ":" : "+") + std::to_string(entry.chunk.value()) + (entry.has_left ? " left" : "");
  }
  std::string all;
  for (const auto& [name, text] : by_name) all += (all.empty() ? "" : " ") + text;
  if (const auto keys = version_vector.find(kKeysEntry); keys != version_vector.end()) {
    all += " keys:" + std::to_string(keys->second.chunk.value());
  }
  return all;
}

std::string said_of_log(const RecoveryNode& node) {
  if (node.is_to_follow) return "has come after its own: it is to take this one by itself";
  if (!node.trouble.empty()) return node.trouble;
  return node.report.epoch.empty() ? "not met yet" : "is the one that it remembers";
}

void print_nodes(const RecoveryView& view) {
  std::vector<Row> rows = {{"node", "state", "position", "absorbed", "the log"}};
  for (const RecoveryNode& node : view.nodes) {
    const bool is_known = !node.report.epoch.empty();
    std::string log = !node.is_heard ? "not heard" : said_of_log(node);
    if (node.is_left_out) log += "; left out";
    rows.push_back({node.report.node + (&node == &view.nodes.front() ? " *" : ""),
                    node.state.empty() ? "unseen" : node.state,
                    is_known ? std::to_string(node.report.position.value()) : "-",
                    is_known ? shown(node.report.version_vector) : "-", log});
  }
  std::array<std::size_t, 5> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i == 2 ? fmt::format("{:>{}}  ", row[i], widths[i]) : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
}

std::string log_line(const RecoveryView& view) {
  if (!view.log) return "the log is gone";
  const std::string where = fmt::format("epoch {}, up to {}", view.log->epoch, view.log->last.value());
  switch (view.log->hold) {
    case LogHold::kFree:
      return "the log: " + where;
    case LogHold::kHeld:
      return "the log is held by colony recover: " + where;
    case LogHold::kAnew:
      return "the log was begun anew by colony recover and is held: " + where;
  }
  return "";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

const RecoveryNode& found(const RecoveryView& view, const std::string& name) {
  return *std::find_if(view.nodes.begin(), view.nodes.end(),
                       [&](const RecoveryNode& node) { return node.report.node == name; });
}

// The node at hand cannot be done without.
std::string unheard(const RecoveryView& view) {
  const std::vector<std::string>& nodes = view.decision->nodes;
  const bool is_one = nodes.size() == 1;
  std::string without;
  for (const std::string& node : nodes) {
    if (node != view.nodes.front().report.node) without += " --without " + node;
  }
  std::string text =
      fmt::format("cannot decide: not heard from {} {}. Start {}, whatever state {} then, and run this again",
                  is_one ? "node" : "nodes", joined(nodes), is_one ? "its sidecar" : "their sidecars",
                  is_one ? "it shows" : "they show");
  if (without.empty()) return text;
  return text + (is_one ? "; if the node is lost, add" : "; for those that are lost, add") + without;
}

// Why this node's file is not the one to go on with.
std::string refusal(const RecoveryView& view) {
  const RecoveryDecision& decision = *view.decision;
  if (decision.kind == Kind::kUnheard) return unheard(view);
  if (decision.kind == Kind::kElsewhere) {
    const Home& home = found(view, decision.nodes.front()).report.home;
    return fmt::format("node {} is the most advanced: run colony recover there ({}:{})", decision.nodes.front(),
                       home.host, home.path);
  }
  return fmt::format(
      "cannot decide: node {} has absorbed what node {} has not ({}), and the other way round ({}): the log was "
      "written "
      "to after it had forgotten. Choose: run colony recover with --without for the nodes on the side that is to give "
      "way, on the most advanced of the others; what only they have stays in their files, to be carried over by hand",
      decision.nodes[0], decision.nodes[1], colony::shown(decision.first_more), colony::shown(decision.second_more));
}

int report_nothing_to_do(const RecoveryView& view) {
  fmt::print("nothing to recover: the log (epoch {}, up to {}) is the one that all nodes remember that are heard\n",
             view.log->epoch, view.log->last.value());
  std::vector<std::string> following;
  for (const RecoveryNode& node : view.nodes) {
    if (node.is_to_follow) following.push_back(node.report.node);
  }
  if (!following.empty()) {
    fmt::print("not yet there: {}, which take its snapshot by themselves; see colony nodes, and colony status there\n",
               joined(following));
  }
  return kNo;
}

// Several paths may be one folder: not an error.
void note_other_places(const RecoveryView& view, const std::string& place) {
  for (const RecoveryNode& node : view.nodes) {
    if (node.snapshots.empty() || node.snapshots == place) continue;
    fmt::print(
        "note: node {} looks for snapshots in {}: unless that is the same place, start its sidecar again with {}\n",
        node.report.node, node.snapshots, place);
  }
}

int look(Recovery& recovery, const std::string& place) {
  const RecoveryView view = recovery.look();
  fmt::print("{}\n", log_line(view));
  print_nodes(view);
  if (!view.is_needed) return report_nothing_to_do(view);
  if (view.decision->kind != Kind::kHere) {
    fmt::print("{}\n", refusal(view));
    return kNo;
  }
  fmt::print("colony recover would go on from node {}: none has absorbed what it has not\n",
             view.nodes.front().report.node);
  note_other_places(view, place);
  return kDone;
}

int recover(Recovery& recovery) {
  const RecoveryResult result = recovery.run();
  const RecoveryView& view = result.view;
  if (!view.is_needed) return report_nothing_to_do(view);
  print_nodes(view);
  if (view.decision->kind != Kind::kHere) {
    fmt::print(stderr, "colony: {}\n", refusal(view));
    return kNo;
  }
  fmt::print(
      "the colony goes on from node {}: a new log (epoch {}) begins after position {}\n"
      "its snapshot: {} in {}\n"
      "next: nothing. The other nodes take it by themselves within seconds, and send what they have pending; see\n"
      "colony nodes. A node that was away takes it when its sidecar is started.\n",
      view.nodes.front().report.node, result.epoch, result.position.value(), result.snapshot, result.store);
  note_other_places(view, result.store);
  return kDone;
}

std::string place_of_snapshots(const Arguments& arguments, ClusterStatus& cluster_status) {
  const std::string place =
      arguments.snapshots.empty() ? colony_snapshots(arguments.path, cluster_status) : arguments.snapshots;
  if (place != "none") return place.empty() ? "nats:" : place;
  throw Error(
      "the other nodes take a snapshot of this one, and there is no place for it (--snapshots none): start the "
      "sidecars "
      "again with a place, the same for all, and then run this");
}

int run(const Arguments& arguments) {
  Identity self;
  {
    Database db = open_database(arguments.path, Database::Mode::kReadOnly);
    self = NodeFile(db).identity();
  }
  const BrokerSettings broker = broker_of(arguments.path, arguments.broker);
  const std::string client = "colony recover";
  JetStreamLog log({.broker = broker,
                    .cluster = self.cluster,
                    .replicas = arguments.replicas,
                    .read_only = true,
                    .client_name = client});
  ClusterStatus cluster_status(
      {.broker = broker, .cluster = self.cluster, .replicas = arguments.replicas, .client_name = client});
  const std::string place = place_of_snapshots(arguments, cluster_status);
  SnapshotCatalog catalog(open_snapshot_store(place, self.cluster, broker, arguments.replicas), self.cluster);
  const RecoveryRequest request{arguments.path,
                                {arguments.without.begin(), arguments.without.end()},
                                std::chrono::milliseconds(static_cast<std::int64_t>(arguments.timeout_s * 1000))};
  ProgressLine line("recovering colony " + self.cluster);
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  Recovery recovery(request, log, cluster_status, catalog, [&](const std::string& for_what) {
    line.waiting_for(for_what);
    return interrupted == 0;
  });
  return arguments.dry_run ? look(recovery, catalog.url()) : recover(recovery);
}

}  // namespace

void add_recover(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("recover", "Begin a new log after the broker lost the old one");
  add_database(*command, arguments->path);
  command->add_flag("--dry-run", arguments->dry_run, "Show the nodes and what would be done, and change nothing");
  command
      ->add_option("--without", arguments->without,
                   "Go on without this node, and without what only it has (repeatable)")
      ->type_name("NODE");
  command
      ->add_option("--timeout", arguments->timeout_s,
                   "Give up waiting for other nodes after this long (500ms, 5s, 10min)")
      ->default_str("60s")
      ->transform(duration_in_seconds())
      ->type_name("TIME");
  command
      ->add_option("--snapshots", arguments->snapshots,
                   "Where all nodes look for snapshots. Without it: where DB's sidecar or the others' do, else nats:")
      ->envname("COLONY_SNAPSHOTS")
      ->type_name("URL");
  command
      ->add_option("--replicas", arguments->replicas,
                   "If the log is gone: how many servers of the NATS cluster keep the new one, 1 to 5")
      ->envname("COLONY_REPLICAS")
      ->capture_default_str()
      ->check(CLI::Range(1, 5))
      ->type_name("N");
  add_broker(*command, arguments->broker);
  command->footer(
      "Nodes halt when the log is not the one that they have read: it is gone, it ends too early, or it has other "
      "entries. If you can restore the broker's newer store, do that: the nodes go on by themselves. Otherwise start "
      "the sidecars of all nodes and run this command on one of them. It\n"
      "\n"
      "  1.  holds the log: no node can write to it, and each halts and reports what it has absorbed;\n"
      "  2.  finds a node that has absorbed everything that any node has. If that is not DB's, it names that node, "
      "releases the log and changes nothing;\n"
      "  3.  begins a new log after all earlier positions, moves DB to it, and stores a snapshot of DB;\n"
      "  4.  releases the log. The other nodes install the snapshot by themselves, put their unsent transactions on "
      "top, and send them.\n"
      "\n"
      "No committed transaction is lost: what some node has absorbed is in DB, and what no node has absorbed is still "
      "in its own node's file. Programs go on all the while. The command refuses when a node does not report, and when "
      "two nodes have each absorbed something that the other has not (the log was written to after it had lost its "
      "end).\n"
      "\n"
      "DB's own sidecar may run or not. If this command is killed, the nodes stay halted until it is run again, on any "
      "node.\n"
      "\n"
      "A node left out by --without keeps its file. When its sidecar runs again, it goes on like the others if the "
      "colony has everything that it has absorbed; otherwise it halts and says what the colony lacks.\n"
      "\n"
      "Exit codes: 0 done, or with --dry-run, it would be; 1 nothing is wrong with the log, another node must be used, "
      "or you have to choose; 2 it could not be done.\n"
      "\n"
      "  colony recover app.db --dry-run\n"
      "  colony recover app.db");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace colony::cli
