#include <spdlog/fmt/fmt.h>

#include <memory>
#include <thread>

#include "replicator/apply/departure.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/captured.h"
#include "replicator/cli/command.h"
#include "replicator/cli/timeout.h"
#include "replicator/cluster/heartbeat.h"
#include "replicator/log/entry.h"
#include "replicator/membership/enrollment.h"
#include "replicator/status/status.h"
#include "replicator/wal/own_transaction.h"
#include "sqlite_ext/crash_step.h"

namespace colony::cli {
namespace {

constexpr std::chrono::milliseconds kLook{10};
constexpr std::chrono::milliseconds kBrokerRetry{200};
constexpr std::chrono::seconds kSendAgain{3};
constexpr std::chrono::seconds kLiveWithin{60};

struct Request {
  std::string path, key_file, node;  // node: empty for this one
  BrokerSettings broker;
  double timeout_s = 60;
  bool force = false;
};

// Gave up waiting: exit code 1.
struct TooLate {
  std::string why;
};

class Leaving {
 public:
  explicit Leaving(const Request& request)
      : request_(request),
        deadline_(request.timeout_s),
        db_(open_database(request.path, Database::Mode::kReadOnly)),
        file_(db_),
        self_(file_.identity()) {
    if (const std::optional<Departure> own = departure(self_.incarnation)) throw Error(departure_message(self_, *own));
    const auto origins = file_.origins();
    const auto me = origins.find(self_.node);
    if (me == origins.end() || me->second.incarnation != self_.incarnation) {
      throw Error("node " + self_.node + " has not yet met its colony: start colony run " + request_.path + " first");
    }
    if (!Status::of(request_.path)) {
      throw Error("no sidecar runs on " + request_.path +
                  ", which has to send what waits and to see the leave in the log: start colony run first");
    }
    key_ = trusted_key_of(file_, request.path, request.key_file);
  }

  int leave() {
    wait_until([&] { return file_.pending_transactions() == 0 && nothing_is_uncaptured(); },
               [&] {
                 return std::to_string(file_.pending_transactions()) +
                        " transactions are not in the log: stop the app, or give it more --timeout";
               });
    COLONY_STEP("leave.nothing_pending");
    const Sequence entry = publish({self_.node, self_.incarnation});
    fmt::print("node {} has left colony {} (entry {})\n", self_.node, self_.cluster, entry.value());
    if (const std::int64_t unsent = file_.pending_transactions(); unsent > 0) {
      fmt::print("note: {} transactions that were committed meanwhile are not sent: no other node has them\n", unsent);
    }
    fmt::print(
        "next: stop its sidecar, and run colony detach {}\n"
        "or join again under any free name: colony init {} --cluster {} --node NAME --keep-pending\n",
        request_.path, request_.path, self_.cluster);
    return kDone;
  }

  int remove() {
    const Incarnation incarnation = incarnation_of(request_.node);
    if (!request_.force) refuse_live(request_.node, incarnation);
    const Sequence entry = publish({request_.node, incarnation});
    fmt::print("node {} was removed from colony {} (entry {})\n", request_.node, self_.cluster, entry.value());
    fmt::print(
        "should its file come back: its sidecar halts, and what it had not sent is kept and sent under another name "
        "by\ncolony init DB --cluster {} --node NEW --keep-pending\n",
        self_.cluster);
    return kDone;
  }

 private:
  // Nor has come since.
  bool nothing_is_uncaptured() {
    bool none = false;
    const auto go_on = [this] { return !deadline_.over(); };
    try {
      look_at_captured(request_.path, go_on, [&](NodeFile& file) { none = file.pending_transactions() == 0; });
    } catch (const NotCaptured&) {
      return false;
    }
    return none;
  }

  std::optional<Departure> departure(Incarnation incarnation) {
    const auto departures = file_.departures();
    const auto found = departures.find(incarnation);
    return found == departures.end() ? std::nullopt : std::optional(found->second);
  }

  Incarnation incarnation_of(const std::string& node) {
    if (node == self_.node) {
      throw Error(request_.path + " is node " + node + " itself: to leave with it, run colony leave without --node");
    }
    const auto origins = file_.origins();
    if (const auto found = origins.find(node); found != origins.end()) return found->second.incarnation;
    for (const auto& [incarnation, former] : file_.departures()) {
      if (former.node != node) continue;
      throw Error("node " + node + " has left colony " + self_.cluster + " already (entry " +
                  std::to_string(former.sequence.value()) + ")");
    }
    std::string names;
    for (const auto& [name, origin] : origins) names += (names.empty() ? "" : ", ") + name;
    throw Error("colony " + self_.cluster + " has no node " + node + "; it has " + names);
  }

  // By the broker's clock alone: this node's own sidecar heartbeats as well.
  void refuse_live(const std::string& node, Incarnation incarnation) {
    ClusterStatus cluster_status({.broker = broker_of(request_.path, request_.broker),
                                  .cluster = self_.cluster,
                                  .read_only = true,
                                  .client_name = "colony leave"});
    const Heartbeats heartbeats = read_heartbeats(cluster_status);
    const Heartbeat* const heartbeat = heartbeats.of(node, incarnation);
    if (heartbeat == nullptr) return;
    const std::chrono::seconds ago = age(heartbeat->written_ns, heartbeats.newest_ns, {});
    if (ago >= kLiveWithin) return;
    throw Error(fmt::format(
        "node {} was seen {} s ago ({}, {}:{}): run colony leave there; or wait for a minute after its end, or add "
        "--force",
        node, ago.count(), heartbeat->state, heartbeat->home.host, heartbeat->home.path));
  }

  template <class Reached, class Why>
  void wait_until(Reached&& reached, Why&& why) {
    while (!reached()) {
      if (deadline_.over()) throw TooLate{why()};
      std::this_thread::sleep_for(kLook);
    }
  }

  // Returns when this file has absorbed it. Sent again as long as it does not come:
  // what comes twice counts once.
  Sequence publish(const LeaveEntry& leave) {
    std::string why = "the leave has not come back in the log; it may yet";
    while (!departure(leave.incarnation)) {
      if (deadline_.over()) throw TooLate{why};
      try {
        send(leave);
      } catch (const LogUnavailable& error) {
        why = error.what();
        std::this_thread::sleep_for(std::min(kBrokerRetry, deadline_.left()));
        continue;
      }
      const Deadline again(std::chrono::duration<double>(kSendAgain).count());
      while (!departure(leave.incarnation) && !again.over() && !deadline_.over()) std::this_thread::sleep_for(kLook);
    }
    return departure(leave.incarnation)->sequence;
  }

  void send(const LeaveEntry& leave) {
    if (BrokerSettings now = broker_of(request_.path, request_.broker); !log_ || now != broker_) {
      broker_ = std::move(now);
      log_ = std::make_unique<JetStreamLog>(JetStreamSettings{.broker = broker_,
                                                              .cluster = self_.cluster,
                                                              .node = self_.node,
                                                              .read_only = true,
                                                              .client_name = "colony leave"});
    }
    log_->info();
    log_->publish(encode_signed(file_, key_ ? &*key_ : nullptr, leave));
    COLONY_STEP("leave.published");
  }

  const Request& request_;
  Deadline deadline_;
  Database db_;
  NodeFile file_;
  Identity self_;
  std::optional<SigningKey> key_;
  BrokerSettings broker_;  // of log_
  std::unique_ptr<JetStreamLog> log_;
};

int leave(const Request& request) {
  try {
    Leaving leaving(request);
    return request.node.empty() ? leaving.leave() : leaving.remove();
  } catch (const TooLate& late) {
    fmt::print(stderr, "colony: not within {} s: {}\n", request.timeout_s, late.why);
    return kNo;
  }
}

}  // namespace

void add_leave(CLI::App& app, int& exit_code) {
  auto request = std::make_shared<Request>();
  CLI::App* const command = app.add_subcommand("leave", "Take a node out of its colony for good");
  add_database(*command, request->path);
  command->add_option("--node", request->node, "Remove this other, dead node. Without it: DB's own node leaves")
      ->type_name("NAME");
  command->add_flag("--force", request->force, "With --node: remove it even if it was seen within the last minute");
  command->add_option("--timeout", request->timeout_s, "Give up after this long (500ms, 5s, 10min)")
      ->default_str("60s")
      ->transform(duration_in_seconds())
      ->type_name("TIME");
  add_key(*command, request->key_file);
  add_broker(*command, request->broker);
  command->footer(
      "Without --node it waits until everything that DB's node has committed is in the log, and then writes its leave "
      "there. With --node it writes the removal of another node: what that node had sent before counts, what it sends "
      "later is ignored.\n"
      "\n"
      "From then on no node waits for it, its name is free, and its sidecar, should it run, halts. Rows stay as they "
      "are. DB's own sidecar must be running.\n"
      "\n"
      "A removed node that comes back can join as a new one and keep its unsent transactions:\n"
      "  colony init DB --cluster NAME --node NEW --keep-pending\n"
      "\n"
      "Exit codes: 0 done, and DB has absorbed it; 1 not in time; 2 it could not be done.\n"
      "\n"
      "  colony leave app.db\n"
      "  colony leave app.db --node c");
  command->callback([request, &exit_code] { exit_code = leave(*request); });
}

}  // namespace colony::cli
