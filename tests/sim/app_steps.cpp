#include "tests/sim/app_steps.h"

#include <algorithm>
#include <set>

namespace colony::sim {
namespace {

std::string without_line_ends(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

void AppSteps::step(std::size_t at) {
  App& app = apps_[at];
  Node& node = world_.node(at);
  Random& random = world_.random;
  if (app.statements.empty() && node.app_in_transaction()) {
    app.statements = {random.pick<std::string>({"COMMIT", "COMMIT", "ROLLBACK", "ROLLBACK TO s1", "ROLLBACK TO a"})};
  } else if (app.statements.empty()) {
    app.statements = Workload(world_.app_schema, world_.workload, random).transaction();
  }
  const bool pauses = world_.plan.faults && random.percent(8);
  std::size_t most = pauses ? 1 + random.below(3) : app.statements.size();
  for (; most > 0 && !app.statements.empty(); --most) {
    const std::string sql = app.statements.front();
    app.statements.erase(app.statements.begin());
    execute(at, sql);
  }
  if (!node.app_in_transaction()) finish_transaction(at);
}

void AppSteps::come_to_rest(std::size_t at) {
  forget(at);
  Node& node = world_.node(at);
  if (!node.app_in_transaction()) return;
  execute(at, "COMMIT");
  if (node.app_in_transaction()) execute(at, "ROLLBACK");
  finish_transaction(at);
}

void AppSteps::execute(std::size_t at, const std::string& sql) {
  const SqlResult result = world_.node(at).sql(sql);
  world_.say(at, sql + (result.code == SQLITE_OK ? "" : "   -- " + without_line_ends(result.message)));
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

void AppSteps::finish_transaction(std::size_t at) {
  Node& node = world_.node(at);
  if (!world_.schema_sql.audited.empty()) {
    apps_[at].audited[node.name()] = audited(at);
  }
  if (node.running()) world_.judge_node(at, world_.random.percent(10));
}

std::size_t AppSteps::audited(std::size_t at) {
  Node& node = world_.node(at);
  return static_cast<std::size_t>(
      node.observer().query_integer("SELECT count(*) FROM audit WHERE node = '" + node.name() + "'"));
}

void AppSteps::lost_power(std::size_t at) {
  forget(at);
  Node& node = world_.node(at);
  if (world_.schema_sql.audited.empty() || !apps_[at].audited.contains(node.name())) return;
  std::size_t& told = apps_[at].audited[node.name()];
  const std::size_t found = audited(at);
  if (found > told || (found < told && node.flushes_commits())) {
    throw Violation("node " + node.name() + " committed " + std::to_string(told) + " audit rows, and has " +
                    std::to_string(found) + " after a power cut");
  }
  told = found;
}

void AppSteps::check_audits() {
  if (world_.schema_sql.audited.empty()) return;
  Database& db = world_.node(0).observer();
  for (const auto& [at, app] : apps_) {
    for (const auto& [name, audited] : app.audited) {
      const std::string where = " FROM audit WHERE node = '" + name + "'";
      const auto count = db.query_integer("SELECT count(*)" + where);
      const auto last = db.query_integer("SELECT coalesce(max(n), 0)" + where);
      if (count != last || count != static_cast<std::int64_t>(audited)) {
        throw Violation("node " + name + " committed " + std::to_string(audited) + " audit rows, and there are " +
                        std::to_string(count));
      }
    }
  }
}

}  // namespace colony::sim
