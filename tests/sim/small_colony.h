// A colony for tests that read as transcripts: a few nodes on one schema, and one
// verb for each thing that can happen. Questions are answered with text; an empty
// answer means that all is well.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/recovery/recovery_decision.h"
#include "tests/sim/judge.h"
#include "tests/sim/keys.h"
#include "tests/sim/snapshot_rack.h"

namespace colony::sim {

// Disks that can lose power (power_disk.h).
struct PowerDisks {
  std::string synchronous;  // of the apps
  bool flushes = true;      // publishers do, before they send
};

class SmallColony {
 public:
  // The nodes know each other when it is made. Databases are in memory, or in
  // `folder`, in WAL mode.
  explicit SmallColony(const std::string& schema_sql, const std::vector<std::string>& names = {"a", "b"},
                       const std::string& folder = "");
  // The same, on such disks.
  SmallColony(const std::string& schema_sql, const std::vector<std::string>& names, const PowerDisks& disks);
  ~SmallColony();

  // A file with tables and perhaps rows of its own becomes a node, and starts: its rows are
  // compared before it goes on in a colony that others have begun. The rows of the first
  // such file of an empty colony are those that the colony is judged by.
  void found(const std::string& name, const std::string& sql);
  // It takes the newest snapshot, if its rows allow it.
  std::string meet(const std::string& name);
  // All its rows become its first transaction.
  void merge(const std::string& name);

  // The app of a node; throws if the statement fails.
  void sql(const std::string& node, const std::string& sql);
  // The same, and gives the message of a failure.
  std::string try_sql(const std::string& node, const std::string& sql);

  // Turn a loop until it has nothing to do. Gives why it stopped: "" when idle,
  // or the message of the Halt or LogUnavailable.
  std::string publish(const std::string& node);
  std::string apply(const std::string& node);

  // The replicator of a node dies, or lives again.
  void crash(const std::string& node);
  // The power of its machine is cut and comes back, and the replicator is started. What
  // was not flushed is lost; some of it, if there is a `random`.
  void lose_power(const std::string& node, Random* random = nullptr);
  void start(const std::string& node);
  // The file of `node`, which goes on being called so here, gets another life.
  void rename(const std::string& node, const std::string& name);
  // `by` tells the log that `leaver` leaves.
  void leave(const std::string& by, const std::string& leaver);
  void restart(const std::string& node) { crash(node), start(node); }

  // Like a sidecar of before there were questions.
  void do_not_answer_questions(const std::string& node) { this->node(node).set_answers_questions(false); }

  // From its next start on a node signs with the key of its name's first letter, or
  // with that of another one, or (with '\0') not at all.
  void set_key(const std::string& node, char letter) { keys_[node] = letter; }
  // All nodes sign and trust each other.
  void trust_all();
  // `by` tells the log whom to trust.
  void trust(const std::string& by, const TrustEntry& entry);

  // Whatever was sent and is still under way arrives, in random order or in turn.
  void deliver() { wire_.deliver_all(); }
  void wait(std::chrono::seconds time) { now_ += time; }

  // The next publishes of a node meet this fate, until set again.
  void set_faults(const std::string& node, const Faults& faults);

  // A node makes a snapshot, which is judged; the log is cut behind the newest one.
  // Give what is wrong with it.
  std::string snapshot(const std::string& maker);
  void cut_log() { log_.purge_before(rack_.newest_position().next()); }
  // A node takes the newest snapshot as its base, or joins from it.
  std::string install(const std::string& name);
  void join(const std::string& name);

  // Rows change, and nothing of it is captured.
  std::string meddle(const std::string& node, const std::string& sql);
  // As `colony repair` does: nothing is changed, or these tables' rows (all, if none is
  // named). Gives why not, or what is wrong with the node afterwards;
  enum class Way { kShow, kKeepMine, kTakeTheirs };
  std::string repair(const std::string& node, Way way, const std::set<std::string>& tables = {});
  // What the latest repair() has found or changed: "table only_mine only_theirs different", or "notes".
  const std::vector<std::string>& repaired() const { return repaired_; }
  // The rows that it has replaced, as the file beside has them: "table|1|x".
  const std::vector<std::string>& kept() const { return kept_; }

  // The broker forgets what came after `last`.
  void lose_after(Sequence last);
  // The colony goes on from the file of `node`, as `colony recover` does there; the
  // files of `absent` are not at hand. Gives why not; then nothing has changed.
  std::string recover(const std::string& node, const std::set<std::string>& absent = {});
  // All that run take the newest snapshot where their log is another one.
  std::string follow();

  // So much later the checkers of `nodes`, or of all, ask what is due; what they ask is
  // answered. How many questions there were.
  int check(std::chrono::seconds later, const std::vector<std::string>& nodes = {});
  // As many shares as a pass has, and what is looked at again.
  void check_all();
  // `table t: c has other rows than a, b` for each table in which a node finds that nodes differ.
  std::vector<std::string> drift(const std::string& node);

  // Everybody publishes and applies until nothing moves; then everything is
  // judged: rows, journals, nothing left over.
  std::string settle();

  // Rows as "1|x|NULL", and the conflict journal as "kind table key lost".
  std::vector<std::string> rows(const std::string& node, const std::string& query);
  std::vector<std::string> conflicts(const std::string& node);

  Node& node(const std::string& name) { return *nodes_.at(name); }
  MemoryLog& log() { return log_; }
  std::string path(const std::string& name) { return node(name).path(); }
  // Without it transactions of 100,000 rows are not compared with the model.
  void do_not_judge_rows() { judges_rows_ = false; }

  // Until nothing moves; gives what is in the way.
  std::string rest();

 private:
  void found(std::vector<NodeSettings> nodes);
  void judge_by(Node& node);
  void exchange();
  bool turn(const std::string& name, std::string& stopped);
  RecoveryReport report(const std::string& name);

  MemoryLog log_;
  Wire wire_;
  SnapshotRack rack_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  std::chrono::steady_clock::time_point now_{};
  Random random_{1};
  bool judges_rows_ = true;
  bool flushes_ = true;
  std::uint64_t lives_ = 0;
  std::map<std::string, char> keys_;
  Schema schema_;
  std::optional<ReferenceLog> reference_;
  std::optional<ReferenceLog> lost_;  // as it was before the broker has forgotten
  std::uint64_t recoveries_ = 0;
  std::vector<std::string> repaired_, kept_;
  std::optional<Judge> judge_;
};

}  // namespace colony::sim
