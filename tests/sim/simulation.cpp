#include "tests/sim/simulation.h"

#include <algorithm>
#include <atomic>

#include "tests/sim/forgery.h"
#include "tests/sim/garbage.h"
#include "tests/sim/keys.h"
#include "tests/sim/twin.h"

namespace colony::sim {
namespace {

// A violation of what must hold.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

bool is_busy(const SqliteError& error) { return error.code() == SQLITE_BUSY || error.code() == SQLITE_LOCKED; }

std::string without_line_ends(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

std::string fresh_path(const std::string& node) {
  static std::atomic<std::uint64_t> runs{0};
  return "file:/sim-" + std::to_string(++runs) + "-" + node + "?vfs=memdb";
}

Simulation::Simulation(const Plan& plan, Transcript& transcript)
    : plan_(plan), transcript_(transcript), random_(plan.seed, "plan"), wire_(log_) {
  steps_ = plan.steps != 0 ? plan.steps : 40 + random_.below(160);
  schema_sql_ = random_schema(Random(plan.seed, "schema"), {});
  foreign_keys_ = random_.percent(60);
  recursive_triggers_ = random_.percent(20);
  conflicts_max_ = random_.percent(15) ? random_.between(3, 30) : 0;
  workload_ = {plan.odd_values, !schema_sql_.utf16, plan.large_transactions};
  if (random_.percent(40)) log_.set_entry_bytes_max(kEntryBytesMin + random_.below(3000));
  signed_ = Random(plan.seed, "signed").percent(50);
  found_nodes();
  set_faults();
}

Simulation::~Simulation() = default;

void Simulation::found_nodes() {
  const std::size_t count = 2 + random_.below(3);
  transcript_.add(schema_sql_.tables_sql);
  for (std::size_t i = 0; i < count; ++i) {
    NodeSettings settings;
    settings.schema_sql = schema_sql_.tables_sql;
    std::vector<std::string> indexes = schema_sql_.indexes_sql;
    Random(plan_.seed, "indexes", i).shuffle(indexes);
    for (const std::string& index : indexes) {
      settings.schema_sql += index + ";\n";
      if (i == 0) transcript_.add(index);
    }
    add_node(std::move(settings));
  }
  schema_ = read_schema(nodes_.front()->observer().handle());
  app_schema_ = schema_;
  std::erase_if(app_schema_.tables, [](const Table& table) { return table.name == "audit"; });
  reference_.emplace(schema_);
  judge_.emplace(schema_, *reference_, log_);
}

// The next letter.
void Simulation::add_node(NodeSettings settings) {
  const std::size_t i = nodes_.size();
  settings.name = std::string(1, static_cast<char>('a' + i));
  settings.path = fresh_path(settings.name);
  settings.incarnation = 100 + i;
  settings.foreign_keys = foreign_keys_;
  settings.recursive_triggers = recursive_triggers_;
  settings.conflicts_max = conflicts_max_;
  nodes_.push_back(std::make_unique<Node>(std::move(settings), log_, wire_));
  nodes_.back()->link().on_publish([this, i](const std::string& fate) { say(i, "  publish: " + fate); });
  apps_.emplace_back();
}

void Simulation::set_faults() {
  Random random(plan_.seed, "faults");
  const unsigned wildness = random.pick<unsigned>({0, 1, 1, 2, 5});
  if (!plan_.faults || wildness == 0) return;
  const auto chance = [&](unsigned per_mille) { return static_cast<unsigned>(random.below(per_mille * wildness + 1)); };
  faults_ = {chance(40), chance(40), chance(30),  chance(30), chance(120),
             chance(80), chance(30), chance(100), chance(60)};
}

void Simulation::require(const std::string& problem) const {
  if (!problem.empty()) throw Violation(problem);
}

std::optional<std::string> Simulation::run() {
  try {
    for (std::size_t i = 0; i < nodes_.size(); ++i) start(i);
    for (std::size_t i = 0; i < steps_; ++i) {
      if (plan_.left_out.count(i) != 0) continue;
      random_ = Random(plan_.seed, "step", i);
      transcript_.add("-- step " + std::to_string(i));
      step(i);
    }
    come_to_rest();
    judge_rest();
    return compare_with_plain_sqlite(plan_.seed, transcript_);
  } catch (const std::exception& error) {
    return error.what();
  }
}

void Simulation::step(std::size_t number) {
  const std::size_t at = random_.below(nodes_.size());
  nodes_[at]->link().set_faults(faults_, &random_);
  if (signed_ && random_.percent(6)) return trust_step(at);
  const std::size_t kind = random_.below(100);
  if (kind < 40) {
    app_step(at);
  } else if (kind < 56) {
    publisher_step(at);
  } else if (kind < 76) {
    applier_step(at);
  } else if (kind < 81) {
    deliver();
  } else if (kind < 88) {
    if (plan_.snapshots) snapshot_step(at, kind);
  } else if (plan_.faults) {
    fault_step(at, kind, number);
  }
}

void Simulation::fault_step(std::size_t at, std::size_t kind, std::size_t number) {
  if (kind < 89) {
    change_members(at);
  } else if (kind < 90) {
    now_ += std::chrono::seconds(random_.between(1, 12));
  } else if (kind < 92) {
    crash(at);
  } else if (kind < 94) {
    toggle_offline(at);
  } else if (kind < 95) {
    toggle_reader(at);
  } else if (kind < 97) {
    append_garbage();
  } else if (kind < 98) {
    if (!nodes_[at]->running()) return;
    say(at, "asks for a barrier");
    nodes_[at]->publisher().enqueue(BarrierEntry{number});
  } else if (kind < 99) {
    say(at, "the app dies");
    apps_[at].statements.clear();
    nodes_[at]->reopen_app();
  } else {
    now_ += std::chrono::seconds(30);
  }
}

void Simulation::app_step(std::size_t at) {
  App& app = apps_[at];
  Node& node = *nodes_[at];
  if (app.statements.empty() && node.app_in_transaction()) {
    app.statements = {random_.pick<std::string>({"COMMIT", "COMMIT", "ROLLBACK", "ROLLBACK TO s1", "ROLLBACK TO a"})};
  } else if (app.statements.empty()) {
    app.statements = Workload(app_schema_, workload_, random_).transaction();
  }
  const bool pauses = plan_.faults && random_.percent(8);
  std::size_t most = pauses ? 1 + random_.below(3) : app.statements.size();
  for (; most > 0 && !app.statements.empty(); --most) {
    const std::string sql = app.statements.front();
    app.statements.erase(app.statements.begin());
    execute(at, sql);
  }
  if (!node.app_in_transaction()) finish_transaction(at);
}

void Simulation::execute(std::size_t at, const std::string& sql) {
  const SqlResult result = nodes_[at]->sql(sql);
  say(at, sql + (result.code == SQLITE_OK ? "" : "   -- " + without_line_ends(result.message)));
  const bool refusal = result.message.starts_with("colony: NULL in the primary key");
  if (result.message.find("colony") != std::string::npos && !refusal) {
    throw Violation("the capture refused: " + result.message);
  }
  static const std::set<int> kExpected = {SQLITE_OK,   SQLITE_CONSTRAINT, SQLITE_MISMATCH,
                                          SQLITE_BUSY, SQLITE_LOCKED,     SQLITE_FULL};
  if (kExpected.count(result.code & 0xff) != 0) return;
  for (const char* harmless : {"no such savepoint", "cannot commit", "cannot rollback", "within a transaction"}) {
    if (result.message.find(harmless) != std::string::npos) return;
  }
  throw Violation("the app's statement failed: " + sql + ": " + result.message);
}

void Simulation::finish_transaction(std::size_t at) {
  if (!schema_sql_.audited.empty()) {
    Database& db = nodes_[at]->observer();
    apps_[at].audited[nodes_[at]->name()] = static_cast<std::size_t>(
        db.query_integer("SELECT count(*) FROM audit WHERE node = '" + nodes_[at]->name() + "'"));
  }
  if (nodes_[at]->running()) judge_node(at, random_.percent(10));
}

void Simulation::applier_step(std::size_t at) {
  Node& node = *nodes_[at];
  if (!node.running()) return start(at);
  try {
    const bool moved = node.applier().step(std::chrono::milliseconds(0));
    say(at, moved ? "applied up to " + std::to_string(node.applier().position().value()) : "nothing to apply");
  } catch (const LogUnavailable& unavailable) {
    say(at, std::string("applier: ") + unavailable.what());
  } catch (const LogCut& cut) {
    say(at, std::string("applier: ") + cut.what());
    if (random_.percent(80)) adopt(at, random_.percent(80));
  } catch (const Halt& halt) {
    if (!node.is_shut_out()) throw;
    say(at, std::string("applier: ") + halt.what());
  } catch (const SqliteError& error) {
    if (!is_busy(error) || !(node.app_in_transaction() || node.is_read())) throw;
    say(at, "applier: busy");
  }
  if (!node.app_in_transaction()) judge_node(at, random_.percent(10));
}

void Simulation::publisher_step(std::size_t at) {
  Node& node = *nodes_[at];
  if (!node.running()) return start(at);
  // In WAL mode, the only one that Colony runs in, a writer is not in its way.
  if (node.app_in_transaction()) return;
  try {
    for (std::size_t i = 1 + random_.below(4); i > 0; --i) {
      if (!node.publisher().step()) break;
    }
  } catch (const LogUnavailable& unavailable) {
    say(at, std::string("publisher: ") + unavailable.what());
  }
}

void Simulation::crash(std::size_t at) {
  say(at, "the replicator crashes");
  nodes_[at]->crash();
  if (random_.percent(50)) start(at);
}

void Simulation::start(std::size_t at) {
  Node& node = *nodes_[at];
  if (node.app_in_transaction()) return;
  say(at, "the replicator starts");
  Applier::Options applier;
  applier.transaction_ms =
      random_.pick<std::chrono::milliseconds>({std::chrono::hours(1), std::chrono::milliseconds(0)});
  applier.transaction_beside_app_ms = applier.transaction_ms;
  applier.fetch.messages = random_.pick<std::size_t>({1, 2, 5, 1024});
  applier.on_barrier = [this, at](const BarrierEntry& barrier, Sequence sequence) {
    say(at, "is at barrier " + std::to_string(barrier.id));
    require(nodes_[at]->applier().position() == sequence ? "" : "a barrier was seen from another position");
  };
  Publisher::Options publisher;
  publisher.now = [this] { return now_; };
  // One that forgets its key sends nothing that counts, once the others are trusted.
  if (signed_ && (resting_ || random_.percent(90))) publisher.key = key_of(static_cast<char>('a' + at));
  publisher.entry_bytes_max = random_.pick<std::size_t>({256u << 10, kEntryBytesMin + 300, kEntryBytesMin});
  publisher.in_flight_bytes_max = random_.pick<std::size_t>({8u << 20, 1, 1000});
  node.start(std::move(applier), std::move(publisher));
}

// Somebody leaves, is removed, or begins another life.
void Simulation::change_members(std::size_t at) {
  Node& node = *nodes_[at];
  if (node.app_in_transaction()) return;
  if (node.is_shut_out()) return come_back(at);
  if (!node.running()) return;
  const std::map<std::string, Incarnation> members = node.members();
  if (members.empty()) return;
  const auto leaver = std::next(members.begin(), static_cast<std::ptrdiff_t>(random_.below(members.size())));
  say(at, "says that " + leaver->first + " leaves");
  node.publisher().enqueue(LeaveEntry{leaver->first, leaver->second});
}

// Under a name that nobody had; or, where no audit row tells who wrote it, now and
// then under one that somebody may have again.
void Simulation::come_back(std::size_t at) {
  Node& node = *nodes_[at];
  if (node.is_read()) return;
  ++lives_;
  std::string name = std::string(1, static_cast<char>('a' + at)) + std::to_string(lives_);
  const std::string former(1, static_cast<char>('a' + random_.below(nodes_.size())));
  const bool is_own = former.front() == static_cast<char>('a' + at);  // whose key is this file's
  if (schema_sql_.audited.empty() && random_.percent(40) && (!signed_ || is_own) && !node.members().contains(former)) {
    name = former;
  }
  say(at, "begins another life as " + name);
  node.rename(name, 1000 + lives_);
  apps_[at].statements.clear();
}

void Simulation::toggle_offline(std::size_t at) {
  LogLink& link = nodes_[at]->link();
  link.set_offline(!link.offline());
  say(at, link.offline() ? "is cut off" : "is back");
}

void Simulation::toggle_reader(std::size_t at) {
  Node& node = *nodes_[at];
  if (node.app_in_transaction()) return;
  say(at, node.is_read() ? "the reader is done" : "somebody begins to read");
  if (node.is_read()) {
    node.end_reading();
  } else {
    node.begin_reading();
  }
}

void Simulation::append_garbage() {
  std::vector<std::string> names = {"stranger"};
  for (const auto& node : nodes_) names.push_back(node->name());
  if (const std::optional<Message> garbage = random_garbage(log_.messages(), names, random_)) {
    transcript_.add("garbage under the name of " + garbage->origin);
    log_.append(garbage->origin, garbage->data);
  }
}

// Once keys are trusted; before, they would count.
void Simulation::append_forgery() {
  reference_->follow(log_.messages());
  if (reference_->trust_version() == 0) return;
  if (const std::optional<Message> forgery = random_forgery(log_.messages(), random_)) {
    transcript_.add("a forgery under the name of " + forgery->origin);
    log_.append(forgery->origin, forgery->data);
  }
}

// Somebody says by which keys the colony is to know its members, or a stranger speaks.
void Simulation::trust_step(std::size_t at) {
  if (plan_.faults && random_.percent(60)) return append_forgery();
  Node& node = *nodes_[at];
  if (!node.running() || node.app_in_transaction() || !node.is_trusted()) return;
  char left_out = '\0';
  if (random_.percent(40)) left_out = static_cast<char>('a' + random_.below(nodes_.size()));
  if (left_out == static_cast<char>('a' + at)) left_out = '\0';
  const std::uint64_t version = node.trust().version + (random_.percent(85) ? 1 : 0);
  say(at, "says whom to trust: version " + std::to_string(version) +
              (left_out == '\0' ? "" : std::string(", but not ") + left_out));
  node.publisher().enqueue(trust_of_all(version, left_out));
}

// At rest: whoever is trusted trusts all. True if something was asked for.
bool Simulation::trust_everybody() {
  reference_->follow(log_.messages());
  const std::uint64_t version = reference_->trust_version();
  if (version == 0 || --rounds_until_trust_ > 0) return false;
  const auto is_member = [](Node& node) { return node.is_trusted() && node.members().contains(node.name()); };
  for (const auto& node : nodes_) {
    if (node->trust().version != version || !is_member(*node) || node->is_shut_out()) continue;
    if (node->trust().keys == trust_of_all(version).keys) return false;
    node->publisher().enqueue(trust_of_all(version + 1));
    rounds_until_trust_ = 10;  // or it was passed over, since its sender has left
    return true;
  }
  return false;
}

void Simulation::deliver() {
  for (std::size_t i = 1 + random_.below(3); i > 0 && !wire_.empty(); --i) wire_.deliver_one(random_);
}

void Simulation::snapshot_step(std::size_t at, std::size_t kind) {
  if (kind < 84) {
    make_snapshot(at);
  } else if (kind < 87) {
    cut_log();
  } else {
    join();
  }
}

void Simulation::make_snapshot(std::size_t at) {
  Node& node = *nodes_[at];
  if (node.app_in_transaction()) return;  // in the way in memdb alone
  if (node.observer().query_integer("SELECT value FROM __colony_meta WHERE key = 'position'") == 0) return;
  Database& made = rack_.make(node.path());
  say(at, "makes a snapshot of position " + std::to_string(rack_.newest_position().value()));
  require(judge_->check_snapshot(made));
}

// Behind a snapshot, which is how far the housekeeper goes.
void Simulation::cut_log() {
  const std::vector<Sequence> positions = rack_.positions();
  if (positions.empty()) return;
  const Sequence first = random_.pick(positions).next();
  if (first <= log_.info().first) return;
  transcript_.add("the log is cut before " + std::to_string(first.value()));
  log_.purge_before(first);
}

void Simulation::join() {
  constexpr std::size_t kNodesMax = 6;
  const std::vector<Sequence> positions = rack_.reaching(log_.info());
  if (positions.empty() || nodes_.size() == kNodesMax) return;
  const Sequence from = random_.pick(positions);
  NodeSettings settings;
  settings.base = rack_.path(from);
  add_node(std::move(settings));
  say(nodes_.size() - 1, "joins from position " + std::to_string(from.value()));
  start(nodes_.size() - 1);
}

void Simulation::adopt(std::size_t at, bool newest) {
  const std::vector<Sequence> positions = rack_.reaching(log_.info());
  const Sequence base = newest ? positions.back() : random_.pick(positions);
  try {
    nodes_[at]->applier().adopt(rack_.path(base));
    say(at, "took the snapshot of position " + std::to_string(base.value()));
  } catch (const LogUnavailable& unavailable) {
    say(at, std::string("adoption: ") + unavailable.what());
  } catch (const SqliteError& error) {
    if (!is_busy(error) || !(nodes_[at]->app_in_transaction() || nodes_[at]->is_read())) throw;
    say(at, "adoption: busy");
  }
}

void Simulation::judge_node(std::size_t at, bool journal) {
  require(judge_->check_rows(*nodes_[at]));
  if (journal) require(judge_->check_journal(*nodes_[at], conflicts_max_));
}

// Everybody is well again, and has time.
void Simulation::come_to_rest() {
  transcript_.add("-- quiet");
  random_ = Random(plan_.seed, "quiet");
  resting_ = true;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    node.link().set_faults({}, nullptr);
    node.link().set_offline(false);
    node.end_reading();
    apps_[i].statements.clear();
    if (node.app_in_transaction()) {
      execute(i, "COMMIT");
      if (node.app_in_transaction()) execute(i, "ROLLBACK");
      finish_transaction(i);
    }
    if (signed_) node.crash();  // and is given its key
    if (!node.running()) start(i);
  }
  constexpr int kRoundsMax = 300;
  int quiet = 0;
  for (int round = 0; quiet < 3; ++round) {
    if (round == kRoundsMax) throw Violation("the colony does not come to rest");
    if (!wire_.empty() && round % 3 == 0) wire_.deliver_one(random_);
    if (round == 60) wire_.deliver_all();
    quiet = rest_round() || !wire_.empty() ? 0 : quiet + 1;
    if (quiet > 0) now_ += std::chrono::seconds(11);
  }
}

// True if anything moved.
bool Simulation::rest_round() {
  const Sequence end = log_.last();
  bool moved = false;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    try {
      while (nodes_[i]->applier().step(std::chrono::milliseconds(0))) moved = true;
    } catch (const LogUnavailable&) {
      moved = true;  // the end of the last time offline
    } catch (const LogCut&) {
      adopt(i, true);
      moved = true;
    } catch (const Halt&) {
      if (!nodes_[i]->is_shut_out()) throw;
      come_back(i);
      start(i);
      moved = true;
    }
    for (int most = 1000; most > 0 && nodes_[i]->publisher().step(); --most) moved = true;
  }
  if (signed_) moved |= trust_everybody();
  return moved || log_.last() != end;
}

void Simulation::judge_rest() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    require(judge_->check_rest(*nodes_[i]));
    judge_node(i, true);
    if (i > 0) require(judge_->check_equal(*nodes_[0], *nodes_[i]));
  }
  if (plan_.seed % 8 == 0) require(judge_->check_integrity(*nodes_.back()));
  if (schema_sql_.audited.empty()) return;
  for (const App& app : apps_) {
    for (const auto& [name, audited] : app.audited) {
      const std::string where = " FROM audit WHERE node = '" + name + "'";
      const auto count = nodes_[0]->observer().query_integer("SELECT count(*)" + where);
      const auto last = nodes_[0]->observer().query_integer("SELECT coalesce(max(n), 0)" + where);
      if (count != last || count != static_cast<std::int64_t>(audited)) {
        throw Violation("node " + name + " committed " + std::to_string(audited) + " audit rows, and there are " +
                        std::to_string(count));
      }
    }
  }
}

}  // namespace colony::sim
