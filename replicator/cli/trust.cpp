#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <set>
#include <thread>

#include "replicator/apply/departure.h"
#include "replicator/apply/signing_trouble.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cli/timeout.h"
#include "replicator/fold/json.h"
#include "replicator/log/weak_key.h"
#include "replicator/membership/enrollment.h"
#include "replicator/status/status.h"

namespace colony::cli {
namespace {

constexpr std::chrono::milliseconds kLook{10};
constexpr std::chrono::seconds kSendAgain{3};

struct Request {
  std::string path, key_file;
  std::vector<std::string> given;  // NODE=PUBLIC
  std::vector<std::string> removed;
  BrokerSettings broker;
  double timeout_s = 60;
  bool force = false, json = false;
};

std::pair<std::string, PublicKey> parse_member(const std::string& text) {
  const std::size_t sign = text.find('=');
  const std::string node = text.substr(0, sign);
  const auto key = sign == text.npos ? std::nullopt : PublicKey::parse(text.substr(sign + 1));
  if (!key || !is_valid_name(node)) {
    throw Error("'" + text + "' is not NODE=PUBLIC, with the 64 digits that colony keygen has printed there");
  }
  if (is_weak(*key)) {
    throw Error("'" + text + "' is no key that colony keygen has made: anybody could sign under it");
  }
  return {node, *key};
}

// Whoever has it could speak as both.
void refuse_shared(const std::map<std::string, PublicKey>& keys, const std::string& node) {
  const PublicKey& key = keys.at(node);
  for (const auto& [other, others_key] : keys) {
    if (other == node || others_key != key) continue;
    throw Error("nodes " + std::min(node, other) + " and " + std::max(node, other) + " would have the same key " +
                key.text() + ": run colony keygen on each, or take one away with --remove");
  }
}

class Trusting {
 public:
  explicit Trusting(const Request& request)
      : request_(request), db_(open_database(request.path, Database::Mode::kReadOnly)), file_(db_) {}

  int list() {
    const Trust trust = file_.trust();
    if (request_.json) {
      JsonObject keys;
      for (const auto& [node, key] : trust.keys) keys.add(node, key.text());
      fmt::print("{}\n", JsonObject().add("version", trust.version).add_raw("keys", keys.text()).text());
      return kDone;
    }
    if (!trust.is_in_force()) {
      fmt::print("colony {} trusts every entry: no keys have been named yet\n", file_.identity().cluster);
      return kDone;
    }
    fmt::print("colony {}, version {} of its keys\n", file_.identity().cluster, trust.version);
    for (const auto& [node, key] : trust.keys) fmt::print("{:<32} {}\n", node, key.text());
    return kDone;
  }

  int change() {
    const Identity& self = file_.identity();
    const auto origins = file_.origins();
    const auto me = origins.find(self.node);
    if (me == origins.end() || me->second.incarnation != self.incarnation) {
      throw Error("node " + self.node + " has not yet met its colony: start colony run " + request_.path + " first");
    }
    if (!Status::of(request_.path)) {
      throw Error("no sidecar runs on " + request_.path + ", which has to see the keys in the log: start it first");
    }
    key_ = key_of(request_.path, request_.key_file);
    if (!key_) throw Error("give this node's key by --key: what it does not sign counts nowhere");
    const TrustEntry entry = next();
    publish(entry);
    fmt::print("colony {} trusts {} {} (version {})\n", self.cluster, entry.keys.size(),
               entry.keys.size() == 1 ? "key" : "keys", entry.version);
    for (const auto& [node, origin] : origins) {
      if (!entry.keys.contains(node)) {
        fmt::print("note: node {} has no key there: all that it sends is ignored\n", node);
      }
    }
    return kDone;
  }

 private:
  TrustEntry next() {
    const Trust trust = file_.trust();
    const Identity& self = file_.identity();
    TrustEntry entry{trust.version + 1, trust.keys};
    std::set<std::string> given;
    for (const std::string& text : request_.given) {
      const auto [node, key] = parse_member(text);
      if (!given.insert(node).second) throw Error("node " + node + " is given two keys: give one");
      entry.keys[node] = key;
    }
    for (const std::string& node : request_.removed) {
      if (entry.keys.erase(node) == 0) throw Error("colony " + self.cluster + " trusts no node " + node);
      if (node == self.node) throw Error("a node cannot take its own key away: do that on another one");
    }
    if (trust.is_in_force()) {
      if (const std::string trouble = signing_trouble(self, trust, key_->public_key()); !trouble.empty()) {
        throw Error(trouble);
      }
    } else {
      check_first(entry);
    }
    for (const std::string& node : given) {
      if (entry.keys.contains(node)) refuse_shared(entry.keys, node);
    }
    return entry;
  }

  // From the first one on, who is not in it is shut out.
  void check_first(TrustEntry& entry) {
    const Identity& self = file_.identity();
    const auto [own, is_new] = entry.keys.emplace(self.node, key_->public_key());
    if (own->second != key_->public_key()) {
      throw Error("the key of node " + self.node + " is another one than the one of --key");
    }
    std::string missing;
    for (const auto& [node, origin] : file_.origins()) {
      if (!entry.keys.contains(node)) missing += (missing.empty() ? "" : ", ") + node;
    }
    if (missing.empty() || request_.force) return;
    throw Error("what is not signed counts no longer from then on, and these have no key: " + missing +
                ". Give NODE=PUBLIC for each, or --force");
  }

  // Returns when this file has absorbed it. Sent again as long as it does not come.
  void publish(const TrustEntry& entry) {
    const Deadline deadline(request_.timeout_s);
    const std::string bytes = encode_signed(file_, &*key_, entry);
    JetStreamLog log({.broker = broker_of(request_.path, request_.broker),
                      .cluster = file_.identity().cluster,
                      .node = file_.identity().node,
                      .read_only = true,
                      .client_name = "colony trust"});
    while (file_.trust().version < entry.version) {
      if (deadline.over()) throw Error("the keys have not come back in the log: see colony status, and try again");
      try {
        log.info();
        log.publish(bytes);
      } catch (const LogUnavailable&) {
        std::this_thread::sleep_for(std::min(std::chrono::milliseconds(200), deadline.left()));
        continue;
      }
      const Deadline again(std::chrono::duration<double>(kSendAgain).count());
      while (file_.trust().version < entry.version && !again.over() && !deadline.over()) {
        std::this_thread::sleep_for(kLook);
      }
    }
    const Trust trust = file_.trust();
    if (trust.version == entry.version && trust.keys != entry.keys) {
      throw Error("another node has changed the keys at the same time: see colony trust " + request_.path +
                  ", and try again");
    }
  }

  const Request& request_;
  Database db_;
  NodeFile file_;
  std::optional<SigningKey> key_;
};

}  // namespace

void add_key(CLI::App& command, std::string& key_file) {
  command.add_option("--key", key_file, "This node's private key, made by colony keygen, which signs what it sends")
      ->envname("COLONY_KEY")
      ->type_name("FILE");
}

std::optional<SigningKey> key_of(const std::string& database, const std::string& key_file) {
  if (!key_file.empty()) return SigningKey::from_file(key_file);
  const std::optional<StatusView> sidecar = Status::of(database);
  if (!sidecar || sidecar->key_file.empty()) return std::nullopt;
  return SigningKey::from_file(sidecar->key_file);
}

std::optional<SigningKey> trusted_key_of(NodeFile& file, const std::string& database, const std::string& key_file) {
  std::optional<SigningKey> key = key_of(database, key_file);
  const std::string trouble =
      signing_trouble(file.identity(), file.trust(), key ? std::optional<PublicKey>(key->public_key()) : std::nullopt);
  if (!trouble.empty()) throw Error(trouble);
  return key;
}

void add_trust(CLI::App& app, int& exit_code) {
  auto request = std::make_shared<Request>();
  CLI::App* const command = app.add_subcommand("trust", "Show or change the keys that the colony trusts");
  add_database(*command, request->path);
  command
      ->add_option("KEYS", request->given,
                   "NODE=PUBLIC: a node's name and the public key that colony keygen printed there")
      ->type_name("NODE=PUBLIC");
  command->add_option("--remove", request->removed, "Stop trusting this node (repeatable)")
      ->allow_extra_args(false)
      ->type_name("NODE");
  command->add_flag("--force", request->force, "The first time: go on even if nodes without a key are shut out");
  command->add_flag("--json", request->json, "Print the keys as one JSON document");
  add_key(*command, request->key_file);
  command->add_option("--timeout", request->timeout_s, "Give up after this long (500ms, 5s, 10min)")
      ->default_str("60s")
      ->transform(duration_in_seconds())
      ->type_name("TIME");
  add_broker(*command, request->broker);
  command->footer(
      "Without keys it shows those that DB knows. With keys it puts them into the log, signed by DB's own node, and "
      "all nodes read them there. From the first time on all nodes ignore every entry that is not signed by its node's "
      "key; so trust a new node's key before the node joins.\n"
      "\n"
      "DB's own sidecar must be running. Without --key the sidecar's key is used.\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.\n"
      "\n"
      "  colony keygen /etc/colony/a.key        on each node, for colony run --key\n"
      "  colony trust app.db a=PUBLIC b=PUBLIC c=PUBLIC\n"
      "  colony trust app.db e=PUBLIC\n"
      "  colony trust app.db --remove b");
  command->callback([request, &exit_code] {
    Trusting trusting(*request);
    exit_code = request->given.empty() && request->removed.empty() ? trusting.list() : trusting.change();
  });
}

}  // namespace colony::cli
