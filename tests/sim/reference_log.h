// Replays a log from its first message: which entries count, what the rows are
// after each, and what the conflict journal says. Independent of the planner and
// the fold; of production code only the decoding of entries.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/log/entry.h"
#include "replicator/log/log.h"
#include "tests/sim/keys.h"
#include "tests/sim/reference_fold.h"

namespace colony::sim {

struct JournalLine {
  std::uint64_t sequence = 0;  // 0: of a transaction that is still pending
  std::string origin;
  std::uint64_t chunk = 0;
  ReferenceConflict conflict;
};

class ReferenceLog {
 public:
  explicit ReferenceLog(const Schema& schema) : schema_(&schema), states_(1) {}

  // The rows on which the log is folded, if the colony's first file had any. First of all.
  void begin_with(DatabaseRows rows) { states_.front().rows = std::move(rows); }

  // By the messages read so far.
  std::uint64_t trust_version() const { return trust_version_; }

  // Reads on in the log; `messages` are all of it, from the first on.
  void follow(const std::vector<Message>& messages);

  const DatabaseRows& rows_at(Sequence position) const { return states_.at(position.value()).rows; }
  // The journal as it is at that position: so many lines of journal().
  std::size_t journal_at(Sequence position) const { return states_.at(position.value()).journal_lines; }
  const std::vector<JournalLine>& journal() const { return journal_; }
  // Whether a transaction of somebody is in the log in part only.
  bool has_open_fragments_at(Sequence position) const { return states_.at(position.value()).has_open_fragments; }
  // The log has lost what came after; it has been followed at least up to there.
  void lose_after(Sequence last);
  // A new log goes on after `base` from how things were at `position`.
  void begin_anew(Sequence position, Sequence base);
  // What became of the latest messages: for the transcript.
  const std::vector<std::string>& verdicts() const { return verdicts_; }

 private:
  struct Origin {
    std::uint64_t incarnation = 0;
    std::uint64_t chunk = 0;
    std::uint64_t sequence = 0;  // of the latest of it that counted
    std::string open;            // of a transaction whose end has not come
  };
  struct State {
    DatabaseRows rows;
    std::size_t journal_lines = 0;
    bool has_open_fragments = false;
    std::map<std::string, Origin> origins;
    std::set<std::uint64_t> left;  // incarnations
  };

  std::string judge(const Message& message, DatabaseRows& rows);
  bool is_forged(const Envelope& envelope) const;
  std::string judge_hello(const Entry& entry, const Envelope& envelope, std::uint64_t sequence);
  std::string judge_trust(const TrustEntry& trust, const Envelope& envelope);
  std::string judge_leave(const LeaveEntry& leave);

  const Schema* schema_;
  std::map<std::string, Origin> origins_;
  std::set<std::uint64_t> left_;  // incarnations
  std::uint64_t trust_version_ = 0;
  std::map<std::string, PublicKey> trusted_;
  std::vector<State> states_;  // by position
  std::vector<JournalLine> journal_;
  std::vector<std::string> verdicts_;
};

}  // namespace colony::sim
