#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "replicator/apply/departure.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cli/timeout.h"
#include "replicator/compare/foreign_keys.h"
#include "replicator/fold/json.h"
#include "replicator/log/entry.h"
#include "replicator/membership/enrollment.h"

namespace colony::cli {
namespace {

constexpr std::chrono::milliseconds kBrokerRetry{100};
constexpr std::chrono::milliseconds kFetchWait{500};

struct Answers {
  std::optional<Sequence> position;  // of the barrier, once it was read in the log
  std::map<std::string, Incarnation> known;
  std::set<Incarnation> left;
  std::map<std::string, ProofEntry> proofs;

  std::set<std::string> missing() const {
    std::set<std::string> names;
    for (const auto& [node, incarnation] : known) {
      if (!proofs.contains(node)) names.insert(node);
    }
    return names;
  }
};

std::string joined(const std::set<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// Puts a barrier into the log and reads the log from there until every known
// node has answered, or the time is over.
class Question {
 public:
  Question(const std::string& path, const std::string& key_file, const BrokerSettings& broker)
      : db_(open_database(path, Database::Mode::kReadOnly)), file_(db_), path_(path), given_(broker) {
    std::random_device random;
    id_ = static_cast<std::uint64_t>(random()) << 32 | random();
    for (const auto& [node, origin] : file_.origins()) answers_.known[node] = origin.incarnation;
    for (const auto& [incarnation, departure] : file_.departures()) {
      if (incarnation == file_.identity().incarnation) throw Error(departure_message(file_.identity(), departure));
      answers_.left.insert(incarnation);
    }
    if (!answers_.known.contains(file_.identity().node)) {
      throw Error("node " + file_.identity().node + " has not yet met its colony: start colony run " + path + " first");
    }
    key_ = trusted_key_of(file_, path, key_file);
  }

  // Of this file: what has no proper parent is not checked anywhere.
  std::vector<std::string> doubtful_foreign_keys() { return colony::doubtful_foreign_keys(db_); }

  const Answers& ask(const Deadline& deadline) {
    Sequence next = put_barrier(deadline);
    while (!deadline.over() && (!answers_.position || !answers_.missing().empty())) {
      try {
        for (const Message& message : log_->fetch(next, {}, std::min(kFetchWait, deadline.left()))) {
          next = message.sequence.next();
          read(message);
        }
      } catch (const LogUnavailable&) {
        reconnect(deadline);
      }
      show_progress();
    }
    return answers_;
  }

 private:
  Sequence put_barrier(const Deadline& deadline) {
    const LogInfo info = reconnect(deadline);
    log_->publish(encode_signed(file_, key_ ? &*key_ : nullptr, BarrierEntry{id_}));
    return info.last.next();
  }

  // The sidecar may only just be starting: then neither its broker nor its log is
  // known yet.
  LogInfo reconnect(const Deadline& deadline) {
    for (;;) {
      if (BrokerSettings now = broker_of(path_, given_); !log_ || now != broker_) {
        broker_ = std::move(now);
        const Identity& self = file_.identity();
        log_ = std::make_unique<JetStreamLog>(JetStreamSettings{.broker = broker_,
                                                                .cluster = self.cluster,
                                                                .node = self.node,
                                                                .read_only = true,
                                                                .client_name = "colony verify"});
      }
      try {
        return log_->info();
      } catch (const LogUnavailable& error) {
        if (deadline.over()) throw Error(error.what());
      }
      std::this_thread::sleep_for(std::min(kBrokerRetry, deadline.left()));
    }
  }

  void read(const Message& message) {
    const std::optional<Envelope> envelope = open_envelope(message.data, message.origin);
    // As the planner judges it; the file is at most a moment behind.
    if (!envelope || !file_.trust().admits(*envelope, {file_.identity().cluster, file_.epoch()})) return;
    const std::optional<Entry> entry = decode(message.data, message.origin);
    if (!entry) return;
    if (std::holds_alternative<HelloEntry>(entry->body) && !answers_.left.contains(entry->incarnation)) {
      answers_.known.try_emplace(entry->origin, entry->incarnation);
    }
    if (const auto* leave = std::get_if<LeaveEntry>(&entry->body)) read_leave(*entry, *leave);
    if (const auto* barrier = std::get_if<BarrierEntry>(&entry->body); barrier != nullptr && barrier->id == id_) {
      answers_.position = message.sequence;
    }
    const auto* proof = std::get_if<ProofEntry>(&entry->body);
    if (proof != nullptr && proof->id == id_ && answers_.position == proof->position) {
      answers_.proofs[entry->origin] = *proof;
    }
  }

  // As the planner judges it.
  void read_leave(const Entry& entry, const LeaveEntry& leave) {
    const auto sender = answers_.known.find(entry.origin), leaver = answers_.known.find(leave.node);
    if (sender == answers_.known.end() || sender->second != entry.incarnation) return;
    if (leaver == answers_.known.end() || leaver->second != leave.incarnation) return;
    answers_.known.erase(leaver);
    answers_.proofs.erase(leave.node);
    answers_.left.insert(leave.incarnation);
  }

  void show_progress() {
    if (isatty(STDERR_FILENO) == 0 || answers_.missing().empty()) return;
    const std::string waiting = joined(answers_.missing());
    if (waiting == shown_) return;
    shown_ = waiting;
    fmt::print(stderr, "waiting for {}\n", waiting);
  }

  Database db_;
  NodeFile file_;
  std::string path_;
  std::optional<SigningKey> key_;
  BrokerSettings given_;
  BrokerSettings broker_;  // of log_
  std::unique_ptr<JetStreamLog> log_;
  std::uint64_t id_ = 0;
  Answers answers_;
  std::string shown_;
};

// Per table, which nodes have which hash; a node that lacks the table has none.
struct TableVerdict {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::set<std::string>> nodes_by_content;  // hash, rows
  std::set<std::string> lacking;
  bool agree() const { return nodes_by_content.size() == 1 && lacking.empty(); }
};

std::map<std::string, TableVerdict> compare(const Answers& answers) {
  std::map<std::string, TableVerdict> verdicts;
  for (const auto& [node, proof] : answers.proofs) {
    for (const ProofEntry::Table& table : proof.tables) {
      verdicts[table.name].nodes_by_content[{table.hash, table.rows}].insert(node);
    }
  }
  for (auto& [name, verdict] : verdicts) {
    for (const auto& [node, proof] : answers.proofs) {
      const bool has = std::any_of(proof.tables.begin(), proof.tables.end(),
                                   [&, table = name](const ProofEntry::Table& t) { return t.name == table; });
      if (!has) verdict.lacking.insert(node);
    }
  }
  return verdicts;
}

void print_text(const Answers& answers, const std::map<std::string, TableVerdict>& verdicts,
                const std::vector<std::string>& doubtful_foreign_keys) {
  std::set<std::string> answered;
  for (const auto& [node, proof] : answers.proofs) answered.insert(node);
  fmt::print("position {}, {} of {} nodes answered: {}\n", answers.position ? answers.position->value() : 0,
             answered.size(), answers.known.size(), joined(answered));
  for (const auto& [table, verdict] : verdicts) {
    for (const auto& [content, nodes] : verdict.nodes_by_content) {
      fmt::print("{:<20} {:>10} rows  {:016x}  {}\n", table, content.second, content.first,
                 verdict.agree() ? "equal" : "DIFFERS on " + joined(nodes));
    }
    if (!verdict.lacking.empty()) fmt::print("{:<20} NOT REPLICATED by {}\n", table, joined(verdict.lacking));
  }
  for (const auto& [node, proof] : answers.proofs) {
    if (proof.foreign_key_violations > 0) {
      fmt::print("note: node {} has {} rows that violate foreign keys\n", node, proof.foreign_key_violations);
    }
  }
  for (const std::string& key : doubtful_foreign_keys) fmt::print("note: the foreign key {}\n", key);
}

void print_json(const Answers& answers, bool equal, const std::vector<std::string>& doubtful_foreign_keys) {
  std::vector<std::string> nodes, missing, doubtful;
  for (const auto& [node, proof] : answers.proofs) {
    JsonObject tables;
    for (const ProofEntry::Table& table : proof.tables) {
      tables.add_raw(table.name,
                     JsonObject().add("hash", fmt::format("{:016x}", table.hash)).add("rows", table.rows).text());
    }
    JsonObject object;
    object.add("node", node).add("position", proof.position.value());
    object.add("foreign_key_violations", proof.foreign_key_violations).add_raw("tables", tables.text());
    nodes.push_back(object.text());
  }
  for (const std::string& node : answers.missing()) missing.push_back(json_string(node));
  for (const std::string& key : doubtful_foreign_keys) doubtful.push_back(json_string(key));
  JsonObject json;
  json.add("equal", equal).add("position", answers.position ? answers.position->value() : 0);
  json.add_raw("nodes", json_array(nodes)).add_raw("missing", json_array(missing));
  json.add_raw("doubtful_foreign_keys", json_array(doubtful));
  fmt::print("{}\n", json.text());
}

int verify(const std::string& path, const std::string& key_file, const BrokerSettings& broker, double timeout_s,
           bool json) {
  Question question(path, key_file, broker);
  const Answers& answers = question.ask(Deadline(timeout_s));
  const std::map<std::string, TableVerdict> verdicts = compare(answers);
  std::set<std::string> differing;
  for (const auto& [table, verdict] : verdicts) {
    if (!verdict.agree()) differing.insert(table);
  }
  const std::set<std::string> missing = answers.missing();
  if (json) {
    print_json(answers, differing.empty() && missing.empty(), question.doubtful_foreign_keys());
  } else {
    print_text(answers, verdicts, question.doubtful_foreign_keys());
  }
  if (!missing.empty()) {
    fmt::print(stderr,
               "colony: no answer within {} s from {}: is the sidecar there running, and not halted? If it could not "
               "read its file, its log says so\n",
               timeout_s, joined(missing));
  }
  if (!differing.empty()) {
    fmt::print(stderr, "colony: the nodes differ in {}\n", joined(differing));
    return kNo;
  }
  return missing.empty() ? kDone : kFailed;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  struct Arguments {
    std::string path, key_file;
    BrokerSettings broker;
    double timeout_s = 30;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("verify", "Check that all nodes hold the same rows");
  add_database(*command, arguments->path);
  command->add_option("--timeout", arguments->timeout_s, "How long the nodes have to answer (500ms, 5s, 10min)")
      ->default_str("30s")
      ->transform(duration_in_seconds())
      ->type_name("TIME");
  command->add_flag("--json", arguments->json, "Print one JSON document");
  add_key(*command, arguments->key_file);
  add_broker(*command, arguments->broker);
  command->footer(
      "Puts a barrier into the log. Every node hashes its replicated tables as of that position, without its pending "
      "transactions, and answers through the log. Programs and sidecars go on meanwhile.\n"
      "\n"
      "Exit codes: 0 all nodes have the same rows; 1 they differ, and the output says in which tables; 2 a node did "
      "not answer in time.");
  command->callback([arguments, &exit_code] {
    exit_code = verify(arguments->path, arguments->key_file, arguments->broker, arguments->timeout_s, arguments->json);
  });
}

}  // namespace colony::cli
