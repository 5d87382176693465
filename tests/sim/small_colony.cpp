#include "tests/sim/small_colony.h"

#include <algorithm>
#include <stdexcept>

#include "replicator/publish/publisher.h"
#include "replicator/recovery/new_log.h"
#include "replicator/repair/repair.h"
#include "replicator/snapshots/initial_comparison.h"
#include "tests/sim/node.h"
#include "tests/unit/temporary_folder.h"

namespace colony::sim {
namespace {

std::string plain(const Cell& cell) { return cell.type == Cell::Type::kText ? cell.bytes : shown(cell); }

std::vector<std::string> query(Database& db, const std::string& sql) {
  std::vector<std::string> rows;
  Statement select(db, sql);
  while (select.step()) {
    std::string& row = rows.emplace_back();
    for (int i = 0; i < select.columns(); ++i) row += (i ? "|" : "") + plain(column_cell(select.handle(), i));
  }
  return rows;
}

// A copy that lasts as long as the connection.
Database copied(const std::string& path) {
  Database source(path, Database::Mode::kReadOnly), copy(fresh_path("expected"), Database::Mode::kReadWrite);
  sqlite3_backup* const backup = sqlite3_backup_init(copy.handle(), "main", source.handle(), "main");
  const int rc = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  if (rc != SQLITE_DONE) throw SqliteError(rc, "cannot copy " + path);
  return copy;
}

// Of all tables, "table|1|x".
std::vector<std::string> all_rows(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  std::vector<std::string> all;
  for (const std::string& table : query(db, "SELECT name FROM sqlite_schema ORDER BY name")) {
    for (const std::string& row : query(db, "SELECT * FROM " + table + " ORDER BY 1")) {
      all.push_back(table + "|" + row);
    }
  }
  return all;
}

}  // namespace

SmallColony::SmallColony(const std::string& schema_sql, const std::vector<std::string>& names,
                         const std::string& folder)
    : wire_(log_) {
  std::vector<NodeSettings> nodes;
  for (const std::string& name : names) {
    NodeSettings& settings = nodes.emplace_back();
    settings.name = name;
    settings.path = folder.empty() ? fresh_path(name) : folder + "/" + name + ".db";
    settings.schema_sql = (folder.empty() ? "" : "PRAGMA journal_mode = WAL;") + schema_sql;
  }
  found(std::move(nodes));
}

SmallColony::SmallColony(const std::string& schema_sql, const std::vector<std::string>& names, const PowerDisks& disks)
    : wire_(log_), flushes_(disks.flushes) {
  std::vector<NodeSettings> nodes;
  for (const std::string& name : names) {
    NodeSettings& settings = nodes.emplace_back();
    settings.name = name;
    settings.schema_sql = schema_sql;
    settings.synchronous = disks.synchronous;
  }
  found(std::move(nodes));
}

void SmallColony::found(std::vector<NodeSettings> nodes) {
  for (NodeSettings& settings : nodes) {
    settings.incarnation = 100 + nodes_.size();
    settings.foreign_keys = true;
    const std::string name = settings.name;
    nodes_[name] = std::make_unique<Node>(std::move(settings), log_, wire_);
  }
  if (nodes_.empty()) return;
  judge_by(*nodes_.begin()->second);
  for (const auto& [name, node] : nodes_) start(name);
  if (const std::string problem = settle(); !problem.empty()) throw std::runtime_error(problem);
}

SmallColony::~SmallColony() = default;

void SmallColony::judge_by(Node& node) {
  schema_ = read_schema(node.observer().handle());
  reference_.emplace(schema_);
  judge_.emplace(schema_, *reference_, log_);
}

void SmallColony::found(const std::string& name, const std::string& sql) {
  NodeSettings settings;
  settings.name = name;
  settings.path = fresh_path(name);
  settings.schema_sql = sql;
  settings.incarnation = 100 + nodes_.size();
  settings.comes_late = true;
  const bool is_first = nodes_.empty();
  Node& node = *(nodes_[name] = std::make_unique<Node>(std::move(settings), log_, wire_));
  if (is_first) {
    judge_by(node);
    reference_->begin_with(Judge::rows_of(node.observer(), schema_));
  }
  start(name);
}

std::string SmallColony::meet(const std::string& name) {
  try {
    const std::unique_ptr<Database> scratch = rack_.new_place(path(name));
    const std::string base = rack_.path(rack_.newest_position());
    InitialComparison({path(name), base, scratch->path(), node(name).spill()}, node(name).link(),
                      [](std::uint64_t, std::uint64_t) { return true; })
        .check();
    node(name).applier().install(base, OwnRows::kCompared);
    return judges_rows_ ? judge_->check_rows(node(name)) : "";
  } catch (const Error& error) {
    return error.what();
  }
}

void SmallColony::merge(const std::string& name) {
  node(name).merge();
  start(name);
}

void SmallColony::sql(const std::string& name, const std::string& sql) {
  const std::string failure = try_sql(name, sql);
  if (!failure.empty()) throw std::runtime_error(name + ": " + sql + ": " + failure);
}

std::string SmallColony::try_sql(const std::string& name, const std::string& sql) {
  const SqlResult result = node(name).sql(sql);
  return result.code == SQLITE_OK ? "" : result.message;
}

void SmallColony::start(const std::string& name) {
  Applier::Options applier;
  applier.transaction_ms = applier.transaction_beside_app_ms = std::chrono::hours(1);
  Publisher::Options publisher;
  publisher.now = [this] { return now_; };
  publisher.flushes = flushes_;
  if (keys_[name] != '\0') publisher.key = key_of(keys_[name]);
  node(name).start(std::move(applier), {}, std::move(publisher));
}

void SmallColony::trust_all() {
  for (const auto& [name, node] : nodes_) {
    set_key(name, name.front());
    restart(name);
  }
  if (const std::string problem = settle(); !problem.empty()) throw std::runtime_error(problem);
  trust(nodes_.begin()->first, trust_of_all(1));
  if (const std::string problem = settle(); !problem.empty()) throw std::runtime_error(problem);
}

void SmallColony::trust(const std::string& by, const TrustEntry& entry) {
  node(by).publisher().enqueue(entry);
  publish(by);
}

void SmallColony::crash(const std::string& name) { node(name).crash(); }

void SmallColony::lose_power(const std::string& name, Random* random) {
  node(name).lose_power(random);
  start(name);
}

void SmallColony::rename(const std::string& name, const std::string& new_name) {
  node(name).rename(new_name, 1000 + ++lives_);
  start(name);
}

void SmallColony::leave(const std::string& by, const std::string& leaver) {
  const std::string name = node(leaver).name();
  node(by).publisher().enqueue(LeaveEntry{name, node(by).members().at(name)});
  publish(by);
}

void SmallColony::set_faults(const std::string& name, const Faults& faults) {
  node(name).link().set_faults(faults, &random_);
}

std::string SmallColony::publish(const std::string& name) {
  try {
    while (node(name).publisher().step()) {
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string SmallColony::apply(const std::string& name) {
  try {
    while (node(name).applier().step(std::chrono::milliseconds(0))) {
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string SmallColony::snapshot(const std::string& maker) { return judge_->check_snapshot(rack_.make(path(maker))); }

std::string SmallColony::install(const std::string& name) {
  try {
    node(name).applier().install(rack_.path(rack_.newest_position()));
    return judge_->check_rows(node(name));
  } catch (const Error& error) {
    return error.what();
  }
}

void SmallColony::join(const std::string& name) {
  NodeSettings settings;
  settings.name = name;
  settings.path = fresh_path(name);
  settings.incarnation = 100 + nodes_.size();
  settings.foreign_keys = true;
  settings.base = rack_.path(rack_.newest_position());
  nodes_[name] = std::make_unique<Node>(std::move(settings), log_, wire_);
  start(name);
}

std::string SmallColony::meddle(const std::string& name, const std::string& sql) {
  Database& db = node(name).observer();
  const std::int64_t end = db.query_integer("SELECT coalesce(max(piece), 0) FROM __colony_outbox");
  std::string failure = try_sql(name, sql);
  db.execute("DELETE FROM __colony_outbox WHERE piece > " + std::to_string(end));
  return failure;
}

std::string SmallColony::repair(const std::string& name, Way way, const std::set<std::string>& tables) {
  const unit::TemporaryFolder folder;
  LogLink link(log_, wire_, name);
  kept_.clear();
  try {
    const Sequence position = report(name).position;
    Sequence base;
    for (const Sequence each : rack_.reaching(log_.info())) {
      if (each <= position) base = each;
    }
    const Database scratch = copied(rack_.path(base));
    Repair repair({.database = path(name), .base = scratch.path(), .tables = tables}, &link,
                  [](std::uint64_t, std::uint64_t) { return true; });
    Repair::Found found = repair.compare();
    if (way == Way::kKeepMine) found = repair.keep_mine().found;
    if (way == Way::kTakeTheirs) {
      const Repair::Change change = repair.take_theirs(folder / "kept.db");
      found = change.found;
      if (!change.kept_in.empty()) kept_ = all_rows(change.kept_in);
    }
    repaired_.clear();
    if (found.notes.any()) repaired_.push_back("notes");
    for (const DifferingRows& table : found.tables) {
      if (table.rows() == 0) continue;
      repaired_.push_back(table.table + " " + std::to_string(table.only_mine) + " " +
                          std::to_string(table.only_theirs) + " " + std::to_string(table.different));
    }
  } catch (const Error& error) {
    return error.what();
  }
  if (way == Way::kShow || !tables.empty()) return "";
  const std::string problem = judge_->check_rows(node(name));
  return problem.empty() ? judge_->check_journal(node(name), 0) : problem;
}

void SmallColony::lose_after(Sequence last) {
  reference_->follow(log_.messages());
  if (!lost_) lost_ = reference_;
  log_.lose_after(last);
  reference_->lose_after(last);
}

RecoveryReport SmallColony::report(const std::string& name) {
  NodeFile file(node(name).observer());
  return {file.identity().node,
          file.identity().incarnation,
          file.epoch(),
          file.position(),
          file.position_hash(),
          version_vector_of(file),
          {}};
}

std::string SmallColony::recover(const std::string& name, const std::set<std::string>& absent) {
  log_.hold();
  std::vector<RecoveryReport> reports = {report(name)};
  std::vector<std::string> epochs;
  for (const auto& [other, node] : nodes_) {
    if (other == name || absent.contains(other)) continue;
    reports.push_back(report(other));
    epochs.push_back(reports.back().epoch);
  }
  const RecoveryDecision decision = decide_recovery(reports, {}, absent, "");
  if (decision.kind == RecoveryDecision::Kind::kElsewhere) return log_.release(), "elsewhere: " + decision.nodes[0];
  if (decision.kind == RecoveryDecision::Kind::kUnheard) return log_.release(), "unheard: " + decision.nodes[0];
  if (decision.kind == RecoveryDecision::Kind::kForked) {
    return log_.release(), "forked: " + decision.nodes[0] + " has " + colony::shown(decision.first_more) + ", " +
                               decision.nodes[1] + " has " + colony::shown(decision.second_more);
  }
  reference_->follow(log_.messages());
  const std::optional<Message> entry = log_.read(reports[0].position);
  const bool is_of_log = entry && message_hash(entry->data) == reports[0].position_hash;
  Sequence base = log_.last();
  for (const RecoveryReport& each : reports) base = std::max(base, each.position);
  if (!is_of_log && lost_) reference_ = lost_;
  lost_.reset();
  reference_->begin_anew(reports[0].position, base);
  const std::string epoch = "recovered-" + std::to_string(++recoveries_);
  log_.begin_anew(epoch, base);
  move_to_new_log(path(name), epoch, base, reports[0].version_vector, epochs);
  rack_.make(path(name));
  log_.release();
  return "";
}

std::string SmallColony::follow() {
  for (auto& [name, node] : nodes_) {
    if (!node->running() || report(name).epoch == log_.info().epoch) continue;
    if (std::string problem = install(name); !problem.empty()) return name + ": " + problem;
  }
  return "";
}

// One turn of a node; true if something moved.
bool SmallColony::turn(const std::string& name, std::string& stopped) {
  const Sequence position = node(name).applier().position(), end = log_.last();
  stopped = apply(name);
  if (stopped.empty()) stopped = publish(name);
  return node(name).applier().position() != position || log_.last() != end;
}

std::string SmallColony::rest() {
  int quiet = 0;
  for (int round = 0; quiet < 3; ++round) {
    if (round == 100) return "it does not come to rest";
    std::string stopped;
    bool moved = false;
    for (auto& [name, node] : nodes_) {
      if (!node->running()) continue;
      moved |= turn(name, stopped);
      if (!stopped.empty()) return name + ": " + stopped;
    }
    quiet = moved ? 0 : quiet + 1;
    if (!moved) now_ += std::chrono::seconds(11);
  }
  return "";
}

int SmallColony::check(std::chrono::seconds later, const std::vector<std::string>& names) {
  now_ += later;
  int asked = 0;
  for (auto& [name, node] : nodes_) {
    const bool is_meant = names.empty() || std::find(names.begin(), names.end(), name) != names.end();
    if (!is_meant || !node->running()) continue;
    asked += node->ask(now_);
    exchange();
  }
  return asked;
}

// Until nothing moves, in no time. Who is cut off stays behind.
void SmallColony::exchange() {
  for (bool moved = true; moved;) {
    moved = false;
    for (auto& [name, node] : nodes_) {
      std::string stopped;
      if (node->running()) moved |= turn(name, stopped);
    }
  }
}

void SmallColony::check_all() {
  constexpr int kStepsPerPass = 40;
  for (int i = 0; i < 2 * kStepsPerPass; ++i) check(kCheckEvery / kStepsPerPass);
}

std::vector<std::string> SmallColony::drift(const std::string& name) {
  std::vector<std::string> lines;
  for (const Drift& drift : drift_of(node(name).findings())) lines.push_back(to_text(drift));
  return lines;
}

std::string SmallColony::settle() {
  for (auto& [name, node] : nodes_) {
    node->link().set_faults({}, nullptr);
    node->link().set_offline(false);
  }
  if (std::string problem = rest(); !problem.empty()) return problem;
  Node* first = nullptr;
  for (auto& [name, node] : nodes_) {
    if (!node->running()) continue;
    std::string problem;
    if (judges_rows_) problem = judge_->check_rows(*node);
    if (judges_rows_ && problem.empty()) problem = judge_->check_journal(*node, 0);
    if (judges_rows_ && problem.empty()) problem = judge_->check_rest(*node);
    if (problem.empty()) problem = judge_->check_integrity(*node);
    if (problem.empty() && first != nullptr) problem = judge_->check_equal(*first, *node);
    if (!problem.empty()) return problem;
    if (first == nullptr) first = node.get();
  }
  return "";
}

std::vector<std::string> SmallColony::rows(const std::string& name, const std::string& sql) {
  return query(node(name).observer(), sql);
}

std::vector<std::string> SmallColony::conflicts(const std::string& name) {
  return query(node(name).observer(),
               "SELECT kind || ' ' || table_name || ' ' || key || ' ' || lost FROM __colony_conflicts "
               "ORDER BY sequence, origin, piece, n");
}

}  // namespace colony::sim
