#include "replicator/compare/table_pair.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>

#include "replicator/compare/key_list.h"
#include "replicator/compare/key_sums.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

constexpr int kRowsBetweenQuestions = 1000;
constexpr std::chrono::milliseconds kLookAgain{10};

bool same_rows(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), identical);
}

const ReplicatedTable& checked(const ReplicatedTable& mine, const ReplicatedTable& theirs) {
  const std::size_t common = theirs.columns.size();
  if (mine.columns.size() < common || !std::equal(theirs.columns.begin(), theirs.columns.end(), mine.columns.begin()) ||
      !std::equal(theirs.key.begin(), theirs.key.end(), mine.key.begin())) {
    throw SchemaMismatch("has other columns in table " + theirs.name + " than this file");
  }
  return mine;
}

struct StopAtEnd {
  std::atomic<bool>& stopped;
  ~StopAtEnd() { stopped = true; }
};

// Does both with the files at once, theirs on a thread of its own: each is given whom to ask
// now and then whether to go on.
template <class Theirs, class Mine>
void at_once(Theirs&& theirs, Mine&& mine, const std::function<void()>& go_on) {
  std::atomic<bool> stopped{false};
  auto end_of_theirs = std::async(std::launch::async, [&] {
    theirs([&] {
      if (stopped) throw Interrupted();
    });
  });
  const StopAtEnd stop_at_end{stopped};  // before the end of theirs is awaited
  mine(go_on);
  while (end_of_theirs.wait_for(kLookAgain) != std::future_status::ready) go_on();
  end_of_theirs.get();
}

}  // namespace

TablePair::TablePair(StatementCache& mine, const ReplicatedTable& my_table, StatementCache& theirs,
                     const ReplicatedTable& their_table)
    : my_db_(mine.db()),
      their_db_(theirs.db()),
      table_(their_table),
      mine_(mine, checked(my_table, their_table), their_table.columns.size()),
      theirs_(theirs, their_table, their_table.columns.size()),
      key_(their_table.columns.size()) {}

void TablePair::compare(const TakeKey& take, const std::function<void()>& go_on) {
  KeySums mine, theirs;
  at_once([&](const auto& goes_on) { theirs.add(their_db_, table_, table_.columns.size(), goes_on); },
          [&](const auto& goes_on) { mine.add(my_db_, mine_.table(), table_.columns.size(), goes_on); }, go_on);
  keyless_ = mine.keyless();
  if (mine == theirs) return;
  const auto list_keys = [&](Database& db, const ReplicatedTable& table, KeyList& list, const auto& goes_on) {
    DifferingKeys(db, table, mine, theirs)
        .for_each([&](const std::vector<Value>& row) { list.add(key_of(row)); }, goes_on);
  };
  KeyList my_keys(my_db_.spill()), their_keys(my_db_.spill());
  at_once([&](const auto& goes_on) { list_keys(their_db_, table_, their_keys, goes_on); },
          [&](const auto& goes_on) { list_keys(my_db_, mine_.table(), my_keys, goes_on); }, go_on);
  int looked_up = 0;
  const auto visit_if = [&](const auto& is_to_be_taken) {
    return [&](std::string_view key) {
      if (is_to_be_taken(key)) take(key);
      if (++looked_up % kRowsBetweenQuestions == 0) go_on();
      return true;
    };
  };
  their_keys.for_each(visit_if([&](std::string_view key) {
    look_up(key);
    return differs();
  }));
  my_keys.for_each(visit_if([&](std::string_view key) {
    read_key(key);
    return !theirs_.select(key_, their_row_, their_storage_);
  }));
}

std::string TablePair::key_of(const std::vector<Value>& row) const {
  std::string key;
  for (std::size_t i = 0; i < table_.columns.size(); ++i) append_value(key, table_.key[i] != 0 ? row[i] : Value());
  return key;
}

void TablePair::read_key(std::string_view key) {
  key_storage_ = key;
  std::string_view rest = key_storage_;
  for (Value& value : key_) value = take_value(rest);
}

void TablePair::look_up(std::string_view key) {
  read_key(key);
  is_mine_ = mine_.select(key_, my_row_, my_storage_);
  is_theirs_ = theirs_.select(key_, their_row_, their_storage_);
}

bool TablePair::differs() const { return is_mine_ != is_theirs_ || (is_mine_ && !same_rows(my_row_, their_row_)); }

void TablePair::put_theirs() {
  const int rc = mine_.insert(their_row_);
  if (rc == SQLITE_DONE) return;
  throw SqliteError(rc, "a row of table " + table_.name + " cannot be put: " + sqlite3_errstr(rc));
}

}  // namespace colony
