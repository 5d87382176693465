// What the nodes have answered to questions about their rows (QuestionEntry,
// BarrierEntry), and in which tables they differ.
//
// A function of the log alone, so that all nodes find the same; and nothing that decides
// what rows become. It is kept in the file: an answer may come long after the others, and
// a difference stays known until an equal answer takes it back.
//
// All of it is read and written inside the caller's transaction, by the applier as it
// absorbs questions and answers. Of a file of an older format nothing is known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/log/entry.h"
#include "replicator/store/sqlite.h"

namespace colony {

// What a node says that it has of a share.
struct ShareContent {
  std::uint64_t hash = 0;
  std::uint64_t rows = 0;
  auto operator<=>(const ShareContent&) const = default;
};
using ShareAnswers = std::map<std::string, ShareContent>;  // by node

// Who has other rows than more than half of those that answered; everybody, where no
// such majority is; nobody, where all are equal.
std::set<std::string> odd_ones(const ShareAnswers& answers);

// A share in which the nodes differ.
struct Finding {
  std::string table;
  std::string low, high;      // see CheckRange; both empty: the whole table
  Sequence position;          // of the question
  std::int64_t since_ns = 0;  // when it was first found, by the broker's clock, since 1970
  std::int64_t asked_ns = 0;  // when it was asked last
  ShareAnswers answers;
};

// All that is found of a table.
struct Drift {
  std::string table;
  std::set<std::string> odd;   // the nodes that differ
  std::set<std::string> even;  // the others that answered; empty: nobody can say who is right
  Sequence position;           // of the latest question
  std::int64_t since_ns = 0;
};

// `table t: c has other rows than a, b`
std::string to_text(const Drift& drift);

// By table.
std::vector<Drift> drift_of(const std::vector<Finding>& findings);

// How far the colony has come with its ignore all tables, share by share.
struct CheckPlace {
  std::string table;          // in it; empty: no pass has begun
  std::string key;            // up to here; empty: all of that table
  std::int64_t began_ns = 0;  // when the pass began, by the broker's clock
  std::int64_t asked_ns = 0;  // when its latest share was asked for
};

class CheckRecords {
 public:
  explicit CheckRecords(Database& db);

  void ask(Sequence position, std::int64_t time_ns, const QuestionEntry& question);
  // A barrier is about all rows of all tables: those that this file replicates.
  void ask(Sequence position, std::int64_t time_ns, const BarrierEntry& barrier);
  // Of a question that is not known, or no longer, nothing is noted.
  void answer(const std::string& node, std::int64_t time_ns, const ProofEntry& proof);
  // A node has left: what it had no longer counts.
  void forget(const std::string& node);

  CheckPlace place();
  std::vector<Finding> findings();
  // Of which tables it is found that `node` differs.
  std::vector<Drift> drift_of_node(const std::string& node);
  // To that question, so far.
  ShareAnswers answers(std::uint64_t id, const std::string& table);
  // Whether a question about the whole table that was asked then or later has been
  // answered by two nodes, and by all that answered alike.
  bool is_found_equal(const std::string& table, std::int64_t asked_from_ns);

 private:
  void add_check(Sequence position, std::int64_t time_ns, std::uint64_t id, const CheckRange& range);
  void trim();
  void judge(const Finding& check);
  void clear_older(const Finding& check);
  ShareAnswers answers_at(Sequence position, const std::string& table);
  void remove(Sequence position, const std::string& table);
  void set_place(const QuestionEntry& question, std::int64_t time_ns);
  std::vector<Finding> select(const std::string& where, const std::string& table);

  Database& db_;
  bool known_;  // the file has the tables
};

}  // namespace colony
