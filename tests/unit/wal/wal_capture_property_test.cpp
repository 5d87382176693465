// Random histories of programs that know nothing of Colony: what is captured from the
// write-ahead log, applied to a copy of the rows, gives the rows that there are; and each
// change knows the values that there were.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>

#include "../random_sql.h"
#include "../temporary_folder.h"
#include "random_history.h"
#include "replicator/fold/fold.h"
#include "replicator/store/file_layout.h"
#include "replicator/wal/wal_capture.h"
#include "sqlite_ext/changeset.h"

namespace colony::unit {
namespace {

using Row = std::vector<std::string>;     // encoded values
using Rows = std::map<std::string, Row>;  // by their encoded keys
using Tables = std::map<std::string, Rows>;

std::string encoded(const Value& value) {
  std::string bytes;
  append_value(bytes, value);
  return bytes;
}

Tables all_rows(Database& db) {
  Tables tables;
  for (const std::string& name : replicated_tables(db)) {
    const std::optional<CapturedTable> table = load_captured_table(db.handle(), "main", name);
    std::string columns;
    for (const CapturedColumn& column : table->columns) columns += (columns.empty() ? "" : ",") + quoted(column.name);
    Statement select(db, "SELECT " + columns + " FROM " + quoted(name));
    Rows& rows = tables[name];
    while (select.step()) {
      Row row;
      std::string key;
      bool has_key = true;
      for (std::size_t i = 0; i < table->columns.size(); ++i) {
        row.push_back(encoded(select.value(static_cast<int>(i))));
        if (table->header.key[i] == 0) continue;
        key += row.back();
        has_key &= select.value(static_cast<int>(i)).type != ValueType::kNull;
      }
      if (has_key) rows.emplace(key, row);
    }
  }
  return tables;
}

// The rows as the outbox says that they became.
class Copy {
 public:
  explicit Copy(Database& db) : rows_(all_rows(db)) {}

  void follow(Database& db) {
    Statement select(db, "SELECT piece, last, changeset FROM __colony_outbox WHERE piece > ?1 ORDER BY piece");
    select.bind(1, read_);
    std::string changeset;
    while (select.step()) {
      read_ = select.integer(0);
      changeset += select.blob(2);
      if (select.integer(1) == 0) continue;
      apply(changeset);
      changeset.clear();
      ++transactions;
    }
    ASSERT_TRUE(changeset.empty());
  }

  const Tables& rows() const { return rows_; }
  // Colony itself has changed these.
  void take_over(Database& db, const std::string& table) { rows_[table] = all_rows(db).at(table); }
  int transactions = 0, changes = 0;

 private:
  void apply(const std::string& changeset) {
    ChangesetReader reader(changeset);
    Change change;
    while (reader.next(change)) {
      ++changes;
      Rows& rows = rows_[reader.table().name];
      std::string key;
      for (std::size_t i = 0; i < change.key_size(); ++i) {
        if (reader.table().key[i] != 0) key += encoded(change.key_value(i));
      }
      const auto row = rows.find(key);
      ASSERT_EQ(row == rows.end(), change.op == Operation::kInsert) << reader.table().name;
      if (change.op == Operation::kInsert) {
        for (const Value& value : change.after) rows[key].push_back(encoded(value));
        continue;
      }
      for (std::size_t i = 0; i < change.before.size(); ++i) {
        if (!change.before[i].defined()) continue;
        ASSERT_EQ(row->second[i], encoded(change.before[i])) << reader.table().name << " column " << i;
      }
      if (change.op == Operation::kDelete) {
        rows.erase(row);
        continue;
      }
      for (std::size_t i = 0; i < change.after.size(); ++i) {
        if (change.after[i].defined()) row->second[i] = encoded(change.after[i]);
      }
    }
  }

  Tables rows_;
  std::int64_t read_ = 0;
};

// What an applier does, to rows of other nodes: it is not captured.
void change_rows(Database& db, RandomHistory& history) {
  const std::string id = std::to_string(history.below(60));
  db.execute("INSERT OR REPLACE INTO blobs VALUES(" + id + ", 'theirs', randomblob(" +
             std::to_string(history.below(9000)) +
             ")); UPDATE blobs SET note = hex(randomblob(9)) WHERE id % 11 = 3; "
             "DELETE FROM wide WHERE w = 1; INSERT OR REPLACE INTO wide(k, w) VALUES('k" +
             id + "', zeroblob(900))");
}

void make_colony_file(Database& db) {
  create_layout(db, CaptureMode::kWal);
  db.execute(
      "INSERT OR REPLACE INTO __colony_meta VALUES('format', 6), ('cluster', 'c'), ('node', 'a'), "
      "('incarnation', 1), ('left_out_known', '1')");
  for (const std::string& table : RandomHistory::tables()) {
    Statement(db, "INSERT INTO __colony_tables(name) VALUES(?1)").bind(1, std::string_view(table)).run();
  }
  db.execute("INSERT INTO __colony_left_out VALUES('search'), ('boxes'), ('keyless')");
  agree_on_definitions(db);
}

// Another node's file, to which the real fold applies what the outbox has.
class OtherNode {
 public:
  OtherNode(Database& from, const std::string& path) : db_(copied(from, path)), fold_(db_, schema_) {}

  void follow(Database& db) {
    Statement select(db, "SELECT piece, last, shape, changeset FROM __colony_outbox WHERE piece > ?1 ORDER BY piece");
    select.bind(1, read_);
    std::string changeset;
    while (select.step()) {
      read_ = select.integer(0);
      changeset += select.blob(3);
      if (select.integer(1) == 0) continue;
      apply(changeset, static_cast<std::uint64_t>(select.integer(2)));
      changeset.clear();
    }
  }

  Database& db() { return db_; }

 private:
  static Database copied(Database& from, const std::string& path) {
    {
      std::ofstream(path, std::ios::binary);
      Database to(path, Database::Mode::kReadWrite);
      sqlite3_backup* const backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
      EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
      sqlite3_backup_finish(backup);
      to.execute("DELETE FROM words WHERE k IS NULL");  // which are that node's alone
    }
    return open_for_fold(path);
  }

  void apply(const std::string& changeset, std::uint64_t shape) {
    if (schema_.version() == -1 || !schema_.is_current(db_)) {
      schema_.load(db_);
      fold_.schema_changed();
    }
    Conflicts conflicts(db_.spill());
    WriteTransaction transaction(db_);
    fold_.apply_recorded(changeset, conflicts, shape);
    transaction.commit();
    schema_.forget();
    std::string lost;
    conflicts.for_each([&](std::size_t, const Conflict& conflict) {
      lost += conflict.table + " " + conflict.key + " " + conflict.lost + "\n";
    });
    EXPECT_EQ(lost, "");
  }

  Database db_;
  ReplicatedSchema schema_;
  Fold fold_;
  std::int64_t read_ = 0;
};

std::string schema_of(Database& db) {
  std::string all;
  Statement select(db,
                   "SELECT sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT GLOB '__colony*' AND name NOT GLOB "
                   "'sqlite_*' ORDER BY type, name");
  while (select.step()) all += std::string(select.text(0)) + "\n";
  return all;
}

std::string shown(const Row& row) {
  std::string text;
  for (const std::string& value : row) {
    std::string_view bytes = value;
    const Value v = take_value(bytes);
    text +=
        (text.empty() ? "" : ", ") + (v.type == ValueType::kInteger ? std::to_string(v.integer)
                                      : v.type == ValueType::kReal  ? std::to_string(v.real)
                                      : v.type == ValueType::kNull  ? std::string("NULL")
                                                                    : "'" + std::string(v.bytes().substr(0, 20)) + "'");
  }
  return text;
}

void differ(const Tables& a, const Tables& b) {
  for (const auto& [table, rows] : a) {
    const auto other = b.find(table);
    EXPECT_TRUE(other != b.end()) << table;
    if (other == b.end()) continue;
    EXPECT_EQ(rows.size(), other->second.size()) << table;
    for (const auto& [key, row] : rows) {
      const auto there = other->second.find(key);
      EXPECT_TRUE(there != other->second.end() && there->second == row)
          << table << ": " << shown(row) << " and " << (there == other->second.end() ? "none" : shown(there->second));
    }
  }
}

void run_seed(std::uint32_t seed, int steps, bool changes_schema) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  TemporaryFolder folder;
  const std::string path = folder / "x.db";
  RandomHistory history(path, seed);
  history.changes_schema = changes_schema;
  Database db = open_for_fold(path), look(path, Database::Mode::kReadOnly);
  make_colony_file(db);
  auto capture = std::make_unique<WalCapture>(path, SpillSettings{folder / "", 1u << 16});
  {
    WriteTransaction transaction(db);
    WalCapture::Turn turn(*capture, db, WalCapture::Begin::kHere);
    turn.before_commit();
    transaction.commit();
    turn.committed();
  }
  capture->follow();
  Copy copy(look);
  std::optional<OtherNode> other;
  if (changes_schema) other.emplace(look, folder / "other.db");
  for (int step = 0; step < steps; ++step) {
    history.step();
    if (history.below(3) == 0) continue;
    if (history.below(2) == 0) capture->read_ahead(history.below(2) == 0 ? 5 : 100000);
    {
      WriteTransaction transaction(db);
      WalCapture::Turn turn(*capture, db);
      const bool changes_rows = !changes_schema && history.below(3) == 0;
      if (changes_rows) change_rows(db, history);
      turn.before_commit();
      if (history.below(10) != 0) {
        transaction.commit();
        turn.committed();
        if (changes_rows) {
          copy.follow(look);
          copy.take_over(look, "blobs");
          copy.take_over(look, "wide");
        }
      }
    }
    if (history.below(3) == 0) {
      capture->read_ahead(100000);
      capture->move_pin();
    }
    if (capture->has_work()) continue;
    changes_schema ? other->follow(look) : copy.follow(look);
    if (testing::Test::HasFailure()) FAIL() << "step " << step << "\n" << history.last().substr(0, 3000);
    const Tables now = all_rows(look);
    if (history.below(10) == 0) continue;
    Statement end(look, "SELECT 1");
    if (!capture->read_ahead(1000000) || capture->has_work()) continue;
    if (changes_schema) {
      EXPECT_EQ(schema_of(other->db()), schema_of(look));
    }
    const Tables expected = changes_schema ? all_rows(other->db()) : copy.rows();
    if (expected != now || testing::Test::HasFailure()) {
      differ(expected, now);
      FAIL() << "step " << step << "\n" << history.last().substr(0, 3000);
    }
  }
}

void run_seeds(std::uint32_t usual, bool changes_schema) {
  const char* const one = std::getenv("COLONY_SEED");
  const char* const steps = std::getenv("COLONY_STEPS");
  const std::uint32_t begin = one != nullptr ? static_cast<std::uint32_t>(std::atoi(one)) : 0;
  const std::uint32_t end = one != nullptr ? begin + 1 : seeds(usual);
  for (std::uint32_t seed = begin; seed < end && !testing::Test::HasFailure(); ++seed) {
    run_seed(seed, steps != nullptr ? std::atoi(steps) : 60, changes_schema);
  }
}

TEST(WalCaptureProperty, what_is_captured_is_what_has_changed) { run_seeds(12, false); }

TEST(WalCaptureProperty, what_is_captured_makes_another_node_the_same_while_programs_change_the_schema) {
  run_seeds(8, true);
}

}  // namespace
}  // namespace colony::unit
