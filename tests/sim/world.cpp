#include "tests/sim/world.h"

namespace colony::sim {

void require(const std::string& problem) {
  if (!problem.empty()) throw Violation(problem);
}

World::World(const Plan& plan_of_it, Transcript& transcript_of_it)
    : plan(plan_of_it), transcript(transcript_of_it), random(plan.seed, "plan"), wire(log) {
  steps = plan.steps != 0 ? plan.steps : 40 + random.below(160);
  SchemaFeatures features;
  // In session mode they are refused; in wal mode they would stay on their node.
  features.null_keys = plan.capture == CaptureChoice::kSession;
  schema_sql = random_schema(Random(plan.seed, "schema"), features);
  foreign_keys = random.percent(60);
  recursive_triggers = random.percent(20);
  conflicts_max = random.percent(15) ? random.between(3, 30) : 0;
  workload = {plan.odd_values, !schema_sql.utf16, plan.large_transactions};
  if (random.percent(40)) log.set_entry_bytes_max(kEntryBytesMin + random.below(3000));
  has_keys = Random(plan.seed, "signed").percent(50);
  has_power_disks = plan.faults && Random(plan.seed, "power").percent(25);
  found_nodes();
  set_faults();
}

void World::found_nodes() {
  const std::size_t count = 2 + random.below(3);
  transcript.add(schema_sql.tables_sql);
  for (const std::string& index : schema_sql.indexes_sql) transcript.add(index);
  for (std::size_t i = 0; i < count; ++i) add_node(new_file());
  schema = read_schema(nodes.front()->observer().handle());
  app_schema = schema;
  std::erase_if(app_schema.tables, [](const Table& table) { return table.name == "audit"; });
  reference.emplace(schema);
  judge.emplace(schema, *reference, log);
}

NodeSettings World::new_file() {
  NodeSettings settings;
  settings.schema_sql = schema_sql.tables_sql;
  std::vector<std::string> indexes = schema_sql.indexes_sql;
  Random(plan.seed, "indexes", nodes.size()).shuffle(indexes);
  for (const std::string& index : indexes) settings.schema_sql += index + ";\n";
  return settings;
}

void World::add_node(NodeSettings settings) {
  const std::size_t i = nodes.size();
  settings.name = std::string(1, letter_of(i));
  settings.path = fresh_path(settings.name);
  if (has_power_disks) settings.synchronous = Random(plan.seed, "synchronous", i).pick<const char*>({"NORMAL", "FULL"});
  settings.captures_from_log = plan.capture == CaptureChoice::kWal ||
                               (plan.capture == CaptureChoice::kMixed && Random(plan.seed, "capture", i).percent(50));
  if (settings.captures_from_log && settings.synchronous.empty()) settings.synchronous = "NORMAL";
  settings.incarnation = 100 + i;
  settings.answers_questions = i != 2 || Random(plan.seed, "of before there were questions").percent(70);
  settings.foreign_keys = foreign_keys;
  settings.recursive_triggers = recursive_triggers;
  settings.conflicts_max = conflicts_max;
  nodes.push_back(std::make_unique<Node>(std::move(settings), log, wire));
  nodes.back()->link().on_publish([this, i](const std::string& fate) { say(i, "  publish: " + fate); });
}

void World::set_faults() {
  Random from(plan.seed, "faults");
  const unsigned wildness = from.pick<unsigned>({0, 1, 1, 2, 5});
  if (!plan.faults || wildness == 0) return;
  const auto chance = [&](unsigned per_mille) { return static_cast<unsigned>(from.below(per_mille * wildness + 1)); };
  faults = {chance(40), chance(40), chance(30),  chance(30), chance(120),
            chance(80), chance(30), chance(100), chance(60)};
}

void World::judge_node(std::size_t at, bool journal) {
  if (!node(at).is_captured()) return;
  require(judge->check_rows(node(at)));
  if (journal) require(judge->check_journal(node(at), conflicts_max));
  for (const Drift& drift : drift_of(node(at).findings())) require("a false alarm: " + to_text(drift));
}

bool World::can_lose_power(std::size_t at) {
  if (!node(at).captures_from_log()) return true;
  if (!can_be_away(at)) return false;
  const auto found = flushed.find(at);
  if (found != flushed.end()) return can_be_away(at, found->second);
  node(at).disk().flush_all();
  flushed.emplace(at, position_of(at));
  return false;
}

bool World::can_be_away(std::size_t at, Sequence position) {
  Node& away = node(at);
  if (!away.has_met_colony()) return false;  // its rows would be those that the colony begins with
  const std::vector<Sequence> bases = rack.reaching(log.info());
  return position.next() >= log.info().first && !bases.empty() && bases.front() <= position;
}

bool World::is_in_the_way(std::size_t at, const SqliteError& error) {
  const bool is_busy = error.code() == SQLITE_BUSY || error.code() == SQLITE_LOCKED;
  return is_busy && (node(at).app_in_transaction() || node(at).is_read());
}

}  // namespace colony::sim
