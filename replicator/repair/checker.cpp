#include "replicator/repair/checker.h"

#include <algorithm>
#include <random>
#include <utility>

#include "replicator/compare/key_range.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/changeset.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookMax = 10s;       // for tables that have become unsure
constexpr auto kFirstAfter = 10min;  // after a start; there are other things to do then
constexpr auto kLookAgain = 10min;   // at what differs
constexpr auto kTurn = 30s;          // that the next in rank leaves to who comes before
constexpr auto kAnswersWait = 30s;   // for the answers about a table that is unsure
constexpr auto kLateAnswers = 5s;    // ... of those that are not there, perhaps
constexpr std::uint64_t kShareBytesMax = 64u << 20;
constexpr std::uint64_t kSharesOfFile = 256;
constexpr std::uint64_t kRowBytes = 16;  // besides its values
constexpr std::size_t kTablesPerShareMax = 100;
constexpr std::size_t kBoundBytesMax = 1000;
constexpr std::uint64_t kSharesOfWholeTable = 4;  // that are asked for at once, if need be

std::uint64_t random_id() {
  std::random_device random;
  return static_cast<std::uint64_t>(random()) << 32 | random();
}

std::uint64_t bytes_of(const Statement& row) {
  std::uint64_t bytes = kRowBytes;
  for (int i = 0; i < row.columns(); ++i) {
    const int type = sqlite3_column_type(row.handle(), i);
    const bool has_bytes = type == SQLITE_TEXT || type == SQLITE_BLOB;
    bytes += has_bytes ? static_cast<std::uint64_t>(sqlite3_column_bytes(row.handle(), i)) : 8;
  }
  return bytes;
}

}  // namespace

Checker::Checker(const std::string& path, CheckSettings settings, Clock::time_point start)
    : settings_(std::move(settings)),
      db_(path, Database::Mode::kReadWrite),
      file_(db_),
      records_(db_),
      start_(start),
      asked_(start - 2 * settings_.every),
      began_(asked_),
      looked_again_(start) {
  sqlite3_busy_timeout(db_.handle(), 0);  // what it writes can wait
}

std::chrono::milliseconds Checker::rest() const {
  if (settings_.every == 0ms) return kLookMax;
  return std::clamp<std::chrono::milliseconds>(settings_.every / 16, 10ms, kLookMax);
}

std::optional<QuestionEntry> Checker::next(Clock::time_point now, std::int64_t wall_ns) {
  std::optional<QuestionEntry> question;
  {
    const ReadTransaction one_moment(db_);
    const CheckPlace place = records_.place();
    observe(place, now, wall_ns);
    schema_.refresh(db_);
    question = next_unsure(now);
    const Clock::duration first = std::min<Clock::duration>(settings_.every, kFirstAfter);
    const bool passes = settings_.every > 0ms && now - start_ >= first + turn();
    if (!question && passes) question = next_finding(now, wall_ns);
    if (!question && passes) question = next_share(place, now);
  }
  forget_sure_ones();
  return question;
}

// Questions that this process sees are timed by its own clock; what was before by the
// broker's, as well as they agree.
void Checker::observe(const CheckPlace& place, Clock::time_point now, std::int64_t wall_ns) {
  const auto ago = [&](std::int64_t then_ns) {
    return std::chrono::nanoseconds(std::max<std::int64_t>(wall_ns - then_ns, 0));
  };
  const bool is_new = place.asked_ns != asked_ns_;
  if (!observed_) {
    asked_ = std::max(asked_, now - ago(place.asked_ns));
    began_ = std::max(began_, now - ago(place.began_ns));
  } else if (is_new && !std::exchange(awaits_own_, false)) {
    asked_ = now;
    if (place.began_ns != began_ns_) began_ = now;
  }
  asked_ns_ = place.asked_ns;
  began_ns_ = place.began_ns;
  observed_ = true;
}

// How long this node leaves it to those before it, by name.
Checker::Clock::duration Checker::turn() {
  const auto members = file_.origins();
  const auto rank = std::distance(members.begin(), members.lower_bound(file_.identity().node));
  return rank * std::min<Clock::duration>(kTurn, settings_.every / 5);
}

std::uint64_t Checker::file_bytes() {
  return static_cast<std::uint64_t>(db_.query_integer("PRAGMA page_count") * db_.query_integer("PRAGMA page_size"));
}

std::uint64_t Checker::share_bytes() {
  return std::max(settings_.share_bytes_min, std::min(file_bytes() / kSharesOfFile, kShareBytesMax));
}

// Between two shares. Rows may take more room in an entry than in a file: half of the
// time is spare.
Checker::Clock::duration Checker::spacing() {
  const std::uint64_t shares = 1 + file_bytes() / share_bytes() + schema_.tables().size() / kTablesPerShareMax;
  return settings_.every / (2 * static_cast<std::int64_t>(shares));
}

std::optional<QuestionEntry> Checker::next_share(const CheckPlace& place, Clock::time_point now) {
  const auto next_table = schema_.tables().upper_bound(place.table);
  const bool has_ended = place.key.empty() && next_table == schema_.tables().end();
  const bool begins = place.began_ns == 0 || has_ended;
  if (begins ? now - began_ < settings_.every + turn() : now - asked_ < spacing() + turn()) return std::nullopt;
  QuestionEntry question;
  if (begins) {
    question = share_from("", "", CheckKind::kBegins);
  } else {
    question = share_from(place.table, place.key, CheckKind::kGoesOn);
  }
  if (question.ranges.empty()) return std::nullopt;
  asked_ = now;
  if (begins) began_ = now;
  awaits_own_ = true;
  return question;
}

// The share that begins in `table` after `key`, or after the whole of it if that is empty.
QuestionEntry Checker::share_from(const std::string& table, const std::string& key, CheckKind kind) {
  QuestionEntry question{fresh_id(), kind, {}};
  std::uint64_t bytes_left = share_bytes();
  const auto& tables = schema_.tables();
  for (auto at = key.empty() ? tables.upper_bound(table) : tables.lower_bound(table); at != tables.end(); ++at) {
    const ReplicatedTable& next = at->second;
    const std::string low = next.name == table ? key : "";
    const std::string high = share_end(next, low, bytes_left);
    question.ranges.push_back(range_of(next, low, high));
    if (!high.empty() || bytes_left == 0 || question.ranges.size() == kTablesPerShareMax) break;
  }
  return question;
}

// The key at which what is left of the share ends; empty if the table ends before.
std::string Checker::share_end(const ReplicatedTable& table, const std::string& low, std::uint64_t& bytes_left) {
  const std::optional<KeyRange> from = KeyRange::of(table, low, "");
  if (!from) return "";
  std::string columns, order;
  for (const std::string& column : table.columns) columns += (columns.empty() ? "" : ",") + quoted(column);
  for (const std::string& term : key_terms(table)) order += (order.empty() ? "" : ",") + term;
  Statement rows(db_,
                 "SELECT " + columns + " FROM main." + quoted(table.name) + from->where(table) + " ORDER BY " + order);
  from->bind(rows, 1);
  const std::vector<std::size_t> key = key_columns(table);
  std::string end;
  while (rows.step()) {
    if (!end.empty()) return end;
    bytes_left -= std::min(bytes_left, bytes_of(rows));
    if (bytes_left > 0) continue;
    for (const std::size_t column : key) append_value(end, rows.value(static_cast<int>(column)));
    if (end.size() > kBoundBytesMax || !KeyRange::of(table, end, "")) end.clear();
  }
  return "";
}

CheckRange Checker::range_of(const ReplicatedTable& table, const std::string& low, const std::string& high) {
  const std::size_t columns = table.columns.size();
  return {table.name, table.shape(columns), columns, low, high};
}

// One at a time, and all in turn.
std::optional<QuestionEntry> Checker::next_finding(Clock::time_point now, std::int64_t wall_ns) {
  const Clock::duration every = std::min<Clock::duration>(settings_.every, kLookAgain);
  if (now - looked_again_ < every) return std::nullopt;
  const std::vector<Finding> findings = records_.findings();
  const auto is_due = [&](const Finding& finding) {
    return std::chrono::nanoseconds(wall_ns - finding.asked_ns) >= every + turn() && can_ask_again(finding);
  };
  const auto is_next = [&](const Finding& finding) { return std::pair(finding.table, finding.low) > looked_again_at_; };
  auto at = std::find_if(findings.begin(), findings.end(), [&](const Finding& f) { return is_next(f) && is_due(f); });
  if (at == findings.end()) at = std::find_if(findings.begin(), findings.end(), is_due);
  if (at == findings.end()) return std::nullopt;
  looked_again_ = now;
  looked_again_at_ = {at->table, at->low};
  return QuestionEntry{fresh_id(), CheckKind::kApart, {range_of(*schema_.find(at->table), at->low, at->high)}};
}

// A large table is not asked for as a whole.
bool Checker::can_ask_again(const Finding& finding) {
  const ReplicatedTable* const table = schema_.find(finding.table);
  if (table == nullptr) return false;
  if (!finding.low.empty() || !finding.high.empty()) return true;
  std::uint64_t bytes = kSharesOfWholeTable * share_bytes();
  return share_end(*table, "", bytes).empty();
}

std::map<std::string, std::int64_t> Checker::unsure_tables() {
  std::map<std::string, std::int64_t> since_s;
  Statement select(db_, "SELECT name, since FROM __colony_unchecked");
  while (select.step()) {
    if (schema_.find(std::string(select.text(0))) != nullptr) since_s[std::string(select.text(0))] = select.integer(1);
  }
  return since_s;
}

std::optional<QuestionEntry> Checker::next_unsure(Clock::time_point now) {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  const std::map<std::string, std::int64_t> since_s = unsure_tables();
  std::erase_if(unsure_, [&](const auto& known) { return !since_s.contains(known.first); });
  for (const auto& [name, since] : since_s) {
    Unsure& unsure = unsure_[name];
    if (unsure.id != 0 && is_answered_equal(name, unsure, now)) {
      unsure.id = 0;
      unsure.wait = 0s;
      unsure.low = unsure.high;
      unsure.is_sure = unsure.high.empty();
    }
    unsure.is_sure |= records_.is_found_equal(name, since * kNanoseconds);  // by somebody else's question
    if (unsure.is_sure || (unsure.id != 0 && now - unsure.asked < unsure.wait)) continue;
    const ReplicatedTable& table = *schema_.find(name);
    std::uint64_t bytes_left = share_bytes();
    unsure.high = share_end(table, unsure.low, bytes_left);
    unsure.id = fresh_id();
    unsure.asked = now;
    unsure.wait = std::clamp<std::chrono::seconds>(2 * unsure.wait, kAnswersWait, kLookAgain);
    return QuestionEntry{unsure.id, CheckKind::kApart, {range_of(table, unsure.low, unsure.high)}};
  }
  return std::nullopt;
}

// By all members, or all that answer soon.
bool Checker::is_answered_equal(const std::string& table, const Unsure& unsure, Clock::time_point now) {
  const ShareAnswers answers = records_.answers(unsure.id, table);
  const std::size_t members = file_.origins().size();
  // Alone, there is nobody to differ from.
  if (answers.empty() || (answers.size() < 2 && members > 1) || !odd_ones(answers).empty()) return false;
  return answers.size() >= members || now - unsure.asked >= kLateAnswers;
}

void Checker::forget_sure_ones() {
  for (const auto& [name, unsure] : unsure_) {
    if (!unsure.is_sure) continue;
    Statement(db_, "DELETE FROM __colony_unchecked WHERE name = ?1").bind(1, name).run();
  }
  std::erase_if(unsure_, [](const auto& known) { return known.second.is_sure; });
}

std::uint64_t Checker::fresh_id() { return settings_.random ? settings_.random() : random_id(); }

}  // namespace colony
