// Asks the colony, slowly and for ever, whether all nodes have the same rows: share by
// share, so that each costs little and all of them are done within an interval.
//
// How far the pass has come stands in every file (CheckRecords), as the log says it. So
// any node can go on with it, and no lease is needed: whoever comes first among the
// members that are there asks, by rank, and the others see that it was asked. If two ask
// the same, it is answered twice.
//
// Besides, it asks again about what differs, so that a difference that was mended does
// not stay known for long; and at once about tables of which `colony init` was not sure
// (__colony_unchecked), until they are found equal.
//
// No threads of its own: next() is called by one, or by the simulator. It has a
// connection of its own. Errors: SqliteError.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "replicator/compare/checks.h"
#include "replicator/log/entry.h"
#include "replicator/store/node_file.h"
#include "replicator/store/replicated_schema.h"

namespace colony {

inline constexpr std::chrono::hours kCheckEvery{24};

struct CheckSettings {
  std::chrono::milliseconds every{kCheckEvery};  // in which a pass is done; 0: this node begins none
  std::uint64_t share_bytes_min = 4u << 20;      // of rows that are asked for at once; more of a large file
  std::function<std::uint64_t()> random = {};    // for the questions' ids; a random device if not given
};

class Checker {
 public:
  using Clock = std::chrono::steady_clock;

  Checker(const std::string& path, CheckSettings settings, Clock::time_point start);

  // What is to be asked now, if anything; it must then be sent. `wall_ns`: since 1970.
  std::optional<QuestionEntry> next(Clock::time_point now, std::int64_t wall_ns);

  // How long nothing will be asked, unless a table comes to be unsure.
  std::chrono::milliseconds rest() const;

  // Any thread: makes next() throw.
  void interrupt() { sqlite3_interrupt(db_.handle()); }

 private:
  // A table of which the file is not sure, and what is asked about it.
  struct Unsure {
    std::string low, high;  // the share; before it the table was found equal
    std::uint64_t id = 0;   // of the question that is open; 0: none
    Clock::time_point asked;
    std::chrono::seconds wait{0};  // before it is asked again
    bool is_sure = false;
  };

  void observe(const CheckPlace& place, Clock::time_point now, std::int64_t wall_ns);
  Clock::duration turn();
  Clock::duration spacing();
  std::uint64_t file_bytes();
  std::uint64_t share_bytes();
  std::map<std::string, std::int64_t> unsure_tables();
  std::optional<QuestionEntry> next_unsure(Clock::time_point now);
  bool is_answered_equal(const std::string& table, const Unsure& unsure, Clock::time_point now);
  void forget_sure_ones();
  std::optional<QuestionEntry> next_finding(Clock::time_point now, std::int64_t wall_ns);
  bool can_ask_again(const Finding& finding);
  std::optional<QuestionEntry> next_share(const CheckPlace& place, Clock::time_point now);
  QuestionEntry share_from(const std::string& table, const std::string& key, CheckKind kind);
  static CheckRange range_of(const ReplicatedTable& table, const std::string& low, const std::string& high);
  std::string share_end(const ReplicatedTable& table, const std::string& low, std::uint64_t& bytes_left);
  std::uint64_t fresh_id();

  const CheckSettings settings_;
  Database db_;
  NodeFile file_;
  CheckRecords records_;
  ReplicatedSchema schema_;
  const Clock::time_point start_;
  // The latest question of the pass and its beginning, as times of this machine.
  std::int64_t asked_ns_ = 0, began_ns_ = 0;
  bool observed_ = false;
  bool awaits_own_ = false;  // question, to be seen in the log
  Clock::time_point asked_, began_;
  Clock::time_point looked_again_;                       // at what differs
  std::pair<std::string, std::string> looked_again_at_;  // table and lower bound
  std::map<std::string, Unsure> unsure_;
};

}  // namespace colony
