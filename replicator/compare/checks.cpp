#include "replicator/compare/checks.h"

#include <algorithm>

#include "replicator/store/file_layout.h"

namespace colony {
namespace {

// So many questions are remembered, for answers that are late.
constexpr int kQuestionsKept = 32;
// Of a table that differs all over, a few shares say enough.
constexpr std::int64_t kFindingsPerTableMax = 16;

std::int64_t stored(Sequence sequence) { return static_cast<std::int64_t>(sequence.value()); }
std::int64_t stored(std::uint64_t number) { return static_cast<std::int64_t>(number); }

std::map<ShareContent, std::set<std::string>> by_content(const ShareAnswers& answers) {
  std::map<ShareContent, std::set<std::string>> nodes;
  for (const auto& [node, content] : answers) nodes[content].insert(node);
  return nodes;
}

bool differ(const ShareAnswers& answers) { return by_content(answers).size() > 1; }

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::set<std::string> odd_ones(const ShareAnswers& answers) {
  std::set<std::string> odd;
  if (!differ(answers)) return odd;
  for (const auto& [node, content] : answers) odd.insert(node);
  for (const auto& [content, nodes] : by_content(answers)) {
    if (2 * nodes.size() <= answers.size()) continue;
    for (const std::string& node : nodes) odd.erase(node);
  }
  return odd;
}

std::string to_text(const Drift& drift) {
  const std::string table = "table " + drift.table + ": ";
  if (drift.even.empty())
    return table + joined(drift.odd) + " have different rows, and it cannot be told which are right";
  return table + joined(drift.odd) + (drift.odd.size() == 1 ? " has" : " have") + " other rows than " +
         joined(drift.even);
}

std::vector<Drift> drift_of(const std::vector<Finding>& findings) {
  std::map<std::string, Drift> drift;
  for (const Finding& finding : findings) {
    const auto [at, fresh] = drift.try_emplace(finding.table);
    Drift& table = at->second;
    if (fresh) table = {finding.table, {}, {}, finding.position, finding.since_ns};
    table.position = std::max(table.position, finding.position);
    table.since_ns = std::min(table.since_ns, finding.since_ns);
    table.odd.merge(odd_ones(finding.answers));
    for (const auto& [node, content] : finding.answers) table.even.insert(node);
  }
  std::vector<Drift> tables;
  for (auto& [name, table] : drift) {
    for (const std::string& node : table.odd) table.even.erase(node);
    tables.push_back(std::move(table));
  }
  return tables;
}

CheckRecords::CheckRecords(Database& db)
    : db_(db),
      known_(db.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
                              "('__colony_checks', '__colony_answers')") == 2) {}

void CheckRecords::ask(Sequence position, std::int64_t time_ns, const QuestionEntry& question) {
  if (!known_) return;
  trim();
  for (const CheckRange& range : question.ranges) add_check(position, time_ns, question.id, range);
  if (question.kind != CheckKind::kApart) set_place(question, time_ns);
}

void CheckRecords::ask(Sequence position, std::int64_t time_ns, const BarrierEntry& barrier) {
  if (!known_) return;
  trim();
  for (const std::string& table : replicated_tables(db_))
    add_check(position, time_ns, barrier.id, {table, 0, 0, "", ""});
}

void CheckRecords::add_check(Sequence position, std::int64_t time_ns, std::uint64_t id, const CheckRange& range) {
  Statement insert(db_,
                   "INSERT OR REPLACE INTO __colony_checks(position, table_name, id, low, high, asked, since) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)");
  insert.bind(1, stored(position)).bind(2, range.table).bind(3, stored(id));
  insert.bind_blob(4, range.low).bind_blob(5, range.high).bind(6, time_ns).run();
}

// What is equal as far as is known, and is old.
void CheckRecords::trim() {
  const std::int64_t from = db_.query_integer(
      "SELECT coalesce(min(position), 0) FROM (SELECT DISTINCT position FROM __colony_checks WHERE since = 0 "
      "ORDER BY position DESC LIMIT " +
      std::to_string(kQuestionsKept - 1) + ")");
  Statement(db_, "DELETE FROM __colony_checks WHERE since = 0 AND position < ?1").bind(1, from).run();
  db_.execute(
      "DELETE FROM __colony_answers WHERE NOT EXISTS (SELECT 1 FROM __colony_checks AS c "
      "WHERE c.position = __colony_answers.position AND c.table_name = __colony_answers.table_name)");
}

void CheckRecords::answer(const std::string& node, std::int64_t time_ns, const ProofEntry& proof) {
  if (!known_ || proof.position == Sequence()) return;
  Statement check(db_,
                  "SELECT low, high, asked, since FROM __colony_checks WHERE position = ?1 AND table_name = ?2 AND "
                  "id = ?3");
  Statement insert(db_,
                   "INSERT OR REPLACE INTO __colony_answers(position, table_name, node, hash, rows) "
                   "VALUES(?1, ?2, ?3, ?4, ?5)");
  for (const ProofEntry::Table& table : proof.tables) {
    check.reset();
    check.bind(1, stored(proof.position)).bind(2, table.name).bind(3, stored(proof.id));
    if (!check.step()) continue;
    Finding asked;
    asked.table = table.name;
    asked.low = check.blob(0);
    asked.high = check.blob(1);
    asked.position = proof.position;
    asked.asked_ns = check.integer(2);
    asked.since_ns = check.integer(3);
    insert.bind(1, stored(proof.position)).bind(2, table.name).bind(3, node);
    insert.bind(4, stored(table.hash)).bind(5, stored(table.rows)).run();
    asked.answers = answers_at(proof.position, table.name);
    if (asked.since_ns == 0 && differ(asked.answers)) asked.since_ns = std::max<std::int64_t>(time_ns, 1);
    judge(asked);
  }
}

// An answer to it has come; `since_ns` is of now if it is the first that differs.
void CheckRecords::judge(const Finding& check) {
  if (!differ(check.answers)) return clear_older(check);
  std::int64_t since_ns = check.since_ns, others = 0;
  for (const Finding& known : select("AND c.since > 0 AND c.table_name = ?1", check.table)) {
    if (known.position == check.position) continue;
    if (known.low != check.low || known.high != check.high || known.position > check.position) {
      ++others;
      continue;
    }
    since_ns = std::min(since_ns, known.since_ns);
    remove(known.position, known.table);
  }
  if (others >= kFindingsPerTableMax) return;
  Statement update(db_, "UPDATE __colony_checks SET since = ?3 WHERE position = ?1 AND table_name = ?2");
  update.bind(1, stored(check.position)).bind(2, check.table).bind(3, since_ns).run();
}

// Those that an equal answer takes back: of the same share, or of any if this is of all,
// once everybody that differed there is heard of here.
void CheckRecords::clear_older(const Finding& check) {
  if (check.answers.size() < 2) return;
  const bool is_whole = check.low.empty() && check.high.empty();
  for (const Finding& known : select("AND c.since > 0 AND c.table_name = ?1", check.table)) {
    if (known.position >= check.position) continue;
    if (!is_whole && (known.low != check.low || known.high != check.high)) continue;
    const std::set<std::string> odd = odd_ones(known.answers);
    const bool are_heard =
        std::all_of(odd.begin(), odd.end(), [&](const std::string& node) { return check.answers.contains(node); });
    if (are_heard) remove(known.position, known.table);
  }
}

void CheckRecords::remove(Sequence position, const std::string& table) {
  for (const char* from : {"__colony_checks", "__colony_answers"}) {
    Statement(db_, std::string("DELETE FROM ") + from + " WHERE position = ?1 AND table_name = ?2")
        .bind(1, stored(position))
        .bind(2, table)
        .run();
  }
}

void CheckRecords::forget(const std::string& node) {
  if (!known_) return;
  Statement(db_, "DELETE FROM __colony_answers WHERE node = ?1").bind(1, node).run();
  for (const Finding& finding : findings()) {
    if (!differ(finding.answers)) remove(finding.position, finding.table);
  }
}

ShareAnswers CheckRecords::answers_at(Sequence position, const std::string& table) {
  ShareAnswers answers;
  Statement select(db_, "SELECT node, hash, rows FROM __colony_answers WHERE position = ?1 AND table_name = ?2");
  select.bind(1, stored(position)).bind(2, table);
  while (select.step()) {
    answers[std::string(select.text(0))] = {static_cast<std::uint64_t>(select.integer(1)),
                                            static_cast<std::uint64_t>(select.integer(2))};
  }
  return answers;
}

std::vector<Finding> CheckRecords::select(const std::string& where, const std::string& table) {
  std::vector<Finding> found;
  if (!known_) return found;
  Statement select(db_,
                   "SELECT c.table_name, c.low, c.high, c.position, c.since, c.asked FROM __colony_checks AS c "
                   "WHERE true " +
                       where + " ORDER BY c.table_name, c.position");
  if (!table.empty()) select.bind(1, table);
  while (select.step()) {
    found.push_back({std::string(select.text(0)),
                     std::string(select.blob(1)),
                     std::string(select.blob(2)),
                     Sequence(static_cast<std::uint64_t>(select.integer(3))),
                     select.integer(4),
                     select.integer(5),
                     {}});
  }
  for (Finding& finding : found) finding.answers = answers_at(finding.position, finding.table);
  return found;
}

std::vector<Finding> CheckRecords::findings() { return select("AND c.since > 0", ""); }

std::vector<Drift> CheckRecords::drift_of_node(const std::string& node) {
  std::vector<Drift> tables = drift_of(findings());
  std::erase_if(tables, [&](const Drift& table) { return !table.odd.contains(node); });
  return tables;
}

ShareAnswers CheckRecords::answers(std::uint64_t id, const std::string& table) {
  if (!known_) return {};
  Statement check(db_, "SELECT position FROM __colony_checks WHERE id = ?1 AND table_name = ?2");
  check.bind(1, stored(id)).bind(2, table);
  if (!check.step()) return {};
  return answers_at(Sequence(static_cast<std::uint64_t>(check.integer(0))), table);
}

bool CheckRecords::is_found_equal(const std::string& table, std::int64_t asked_from_ns) {
  for (const Finding& check : select("AND c.since = 0 AND c.table_name = ?1", table)) {
    const bool is_whole = check.low.empty() && check.high.empty();
    if (!is_whole || check.asked_ns < asked_from_ns || check.answers.size() < 2) continue;
    if (!differ(check.answers)) return true;
  }
  return false;
}

CheckPlace CheckRecords::place() {
  CheckPlace place;
  Statement select(db_, "SELECT key, value FROM __colony_meta WHERE key LIKE 'check!_%' ESCAPE '!'");
  while (select.step()) {
    const std::string_view key = select.text(0);
    if (key == "check_table") place.table = select.text(1);
    if (key == "check_key") place.key = select.blob(1);
    if (key == "check_began") place.began_ns = select.integer(1);
    if (key == "check_asked") place.asked_ns = select.integer(1);
  }
  return place;
}

void CheckRecords::set_place(const QuestionEntry& question, std::int64_t time_ns) {
  const CheckRange& last = question.ranges.back();
  Statement set(db_, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES(?1, ?2)");
  set.bind(1, "check_table").bind(2, last.table).run();
  set.bind(1, "check_key").bind_blob(2, last.high).run();
  set.bind(1, "check_asked").bind(2, time_ns).run();
  if (question.kind == CheckKind::kBegins) set.bind(1, "check_began").bind(2, time_ns).run();
}

}  // namespace colony
