// Random histories in session mode. What programs do through colony.so is never taken for a hole;
// what others do past it always is, and after it was captured late, the fold of the outbox gives
// the rows that there are, and the outbox can be undone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "../memory_node.h"
#include "../random_sql.h"
#include "../temporary_folder.h"
#include "random_history.h"
#include "replicator/apply/rebase.h"
#include "replicator/fold/fold.h"
#include "replicator/store/file_layout.h"
#include "replicator/wal/session_audit.h"
#include "sqlite_ext/capture.h"

namespace colony::unit {
namespace {

std::string rows_of(Database& db, const std::string& table) {
  const std::optional<CapturedTable> layout = load_captured_table(db.handle(), "main", table);
  if (!layout) return "no table";
  std::string columns, whole, rows;
  for (std::size_t i = 0; i < layout->columns.size(); ++i) {
    const std::string name = quoted(layout->columns[i].name);
    columns += (columns.empty() ? "" : ",") + name;
    if (layout->header.key[i] != 0) whole += (whole.empty() ? "" : " AND ") + name + " IS NOT NULL";
  }
  std::set<std::string> sorted;
  Statement select(db, "SELECT " + columns + " FROM " + quoted(table) + " WHERE " + whole);
  while (select.step()) {
    std::string row;
    for (int i = 0; i < select.columns(); ++i) append_value(row, select.value(i));
    sorted.insert(row);
  }
  for (const std::string& row : sorted) rows += row + "\n";
  return rows;
}

void copy(Database& from, Database& to) {
  sqlite3_backup* const backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  ASSERT_NE(backup, nullptr);
  sqlite3_backup_step(backup, -1);
  ASSERT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
}

class AuditedFile {
 public:
  AuditedFile(std::uint32_t seed, bool has_holes)
      : path_(folder_ / "x.db"), history_(path_, seed), db_(open_for_fold(path_)), replica_(new_copy("replica.db")) {
    make_colony_file();
    for (std::size_t i = 0; i < history_.programs().size(); ++i) {
      Database& program = *history_.programs()[i];
      if (has_holes && i == 0) {
        sqlite3_db_config(program.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
      } else {
        install_capture(program.handle(), linked_host());
        // With them off, nothing refuses a NULL in a key.
        sqlite3_db_config(program.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, nullptr);
      }
    }
    copy(db_, replica_);
    copy(db_, base_ = new_copy("base.db"));
    schema_.load(replica_);
    SessionAudit::Listener listener;
    listener.on_found = [this](const std::string& table, const LateCapture::Finding& finding) {
      found_ += table + " " + finding.a_key + " " + std::to_string(finding.not_in_outbox) + " rows, " +
                std::to_string(finding.only_in_outbox) + " only in the outbox\n";
      ++alarms;
    };
    listener.on_lost = [this](const std::string& why) { found_ += "not watched: " + why + "\n"; };
    audit_.emplace(path_, listener, SpillSettings{folder_ / "", 1u << 16});
  }

  RandomHistory& history() { return history_; }
  SessionAudit& audit() { return *audit_; }
  const std::string& found() const { return found_; }
  void settle() {
    audit_->read();
    audit_->settle(db_);
  }

  // As the applier does when the log has handed back what was sent.
  void own_transaction() {
    WriteTransaction transaction(db_);
    db_.execute("INSERT OR REPLACE INTO __colony_meta VALUES('position', random())");
    if (history_.below(2) == 0) db_.execute("DELETE FROM __colony_outbox WHERE piece < 3");
    count_own_transaction(db_);
    transaction.commit();
  }

  // Folds what the outbox has since.
  void replicate() {
    Fold fold(replica_, schema_);
    Statement select(db_, "SELECT piece, last, changeset FROM __colony_outbox WHERE piece > ?1 ORDER BY piece");
    select.bind(1, sent_);
    std::string changeset;
    while (select.step()) {
      sent_ = select.integer(0);
      changeset += select.blob(2);
      if (select.integer(1) == 0) continue;
      WriteTransaction transaction(replica_);
      Conflicts conflicts;
      fold.apply(changeset, conflicts);
      transaction.commit();
      changeset.clear();
    }
  }

  std::string difference(Database& other) {
    for (const std::string& table : RandomHistory::tables()) {
      if (unchecked_tables(db_).contains(table)) continue;
      if (rows_of(db_, table) != rows_of(other, table)) return table;
    }
    return "";
  }
  std::string difference() { return difference(replica_); }

  // All that is pending is undone: the rows are those from the beginning.
  std::string difference_from_base() {
    Database undone = new_copy("undone.db");
    copy(db_, undone);
    const std::map<std::string, std::string> unchecked = unchecked_tables(db_);
    // Nobody has fed the index of what was written past the triggers.
    undone.execute("DROP TRIGGER plain_ai; DROP TRIGGER plain_ad");
    NodeFile file(undone);
    {
      WriteTransaction transaction(undone);
      take_out_pending(undone, file);
      transaction.commit();
    }
    for (const std::string& table : RandomHistory::tables()) {
      if (!unchecked.contains(table) && rows_of(undone, table) != rows_of(base_, table)) return table;
    }
    return "";
  }

  int alarms = 0;

 private:
  Database new_copy(const std::string& name) {
    const std::string path = folder_ / name;
    std::remove(path.c_str());
    { std::ofstream file(path, std::ios::binary); }
    return open_for_fold(path);
  }

  void make_colony_file() {
    Database db(path_, Database::Mode::kProgram);
    install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
    create_layout(db);
    choose_guard_kind(db, GuardKind::kTriggers);
    db.execute(
        "INSERT INTO __colony_meta VALUES('format', 6), ('cluster', 'c'), ('node', 'a'), ('incarnation', 1), "
        "('position', 0), ('position_hash', 0), ('absorbed', 0)");
    db.execute("DELETE FROM words WHERE k IS NULL");
    replicate_all(db);
    agree_on_definitions(db);
  }

  TemporaryFolder folder_;
  const std::string path_;
  RandomHistory history_;
  Database db_, replica_, base_;
  ReplicatedSchema schema_;
  std::int64_t sent_ = 0;
  std::string found_;
  std::optional<SessionAudit> audit_;
};

std::uint32_t first_seed() {
  const char* const one = std::getenv("COLONY_SEED");
  return one != nullptr ? static_cast<std::uint32_t>(std::atoi(one)) : 0;
}

std::uint32_t last_seed(std::uint32_t usual) {
  return std::getenv("COLONY_SEED") != nullptr ? first_seed() + 1 : seeds(usual);
}

void run_without_holes(std::uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  AuditedFile file(seed, false);
  file.history().changes_schema = seed % 2 == 1;
  for (int step = 0; step < 60; ++step) {
    file.history().step();
    if (file.history().below(6) == 0) file.own_transaction();
    if (file.history().below(3) == 0) continue;
    file.audit().read(file.history().below(4) == 0 ? 7 : 100000);
    if (file.history().below(3) == 0) file.audit().move_pin();
    ASSERT_EQ(file.found(), "") << "step " << step << "\n" << file.history().last().substr(0, 3000);
  }
  file.audit().read();
  EXPECT_EQ(file.found(), "");
  EXPECT_GT(file.audit().counts().transactions, 0u);
}

TEST(SessionAuditProperty, what_was_captured_is_never_taken_for_a_hole) {
  for (std::uint32_t seed = first_seed(); seed < last_seed(4) && !HasFailure(); ++seed) run_without_holes(seed);
}

int run_with_holes(std::uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  AuditedFile file(seed, true);
  for (int step = 0; step < 60; ++step) {
    file.history().step();
    if (file.history().below(3) == 0) continue;
    if (file.history().below(2) == 0) file.audit().read(20);
    file.settle();
    file.audit().move_pin();
    EXPECT_EQ(file.audit().counts().begun_anew, 0u) << file.found();
    file.replicate();
    EXPECT_EQ(file.difference(), "") << "step " << step << "\n"
                                     << file.history().last().substr(0, 3000) << file.found();
    if (testing::Test::HasFailure()) return 0;
  }
  file.settle();
  EXPECT_EQ(file.difference_from_base(), "") << file.found();
  return file.alarms;
}

TEST(SessionAuditProperty, what_was_not_captured_is_captured_late) {
  int alarms = 0;
  for (std::uint32_t seed = first_seed(); seed < last_seed(4) && !HasFailure(); ++seed) alarms += run_with_holes(seed);
  EXPECT_GT(alarms, 0);
}

}  // namespace
}  // namespace colony::unit
