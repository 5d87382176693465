// What a sidecar does first in wal mode: with which snapshot it compares, what it waits for,
// and when there is nothing to compare with.
#include "replicator/repair/start_comparison.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "replicator/store/noted_schema.h"
#include "tests/unit/repair/missed_colony.h"

namespace colony::unit {
namespace {

using Met = MissedColony::Met;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a); INSERT INTO t VALUES(1, 'one'), (2, 'two')";
constexpr const char* kMeddling = "UPDATE t SET a = 'zwei' WHERE k = 2; ALTER TABLE t ADD COLUMN b";

class Away final : public MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  LogInfo info() override { throw LogUnavailable("no connection"); }
};

class StartComparisonTest : public testing::Test {
 protected:
  void begin(Met met = Met::kBoth) {
    colony_.emplace(kSchema, met);
    capture_.emplace(colony_->path("a"));
  }
  StartComparison::Settings settings(bool has_snapshots = true) {
    StartComparison::Settings settings{colony_->path("a"), {}, [this] { return goes_on_; }};
    if (has_snapshots) settings.snapshots = [this] { return colony_->catalog(); };
    return settings;
  }
  void run(const StartComparison::Settings& settings, Log* log = nullptr) {
    StateReports reports(status_);
    StartComparison(settings, log != nullptr ? *log : colony_->node("a").log(), reports)
        .run({[this]() -> Database& {
                ++pins_;
                Database& pinned = capture_->pin();
                if (after_pin_) std::exchange(after_pin_, nullptr)();
                return pinned;
              },
              [this](Database& db) { capture_->capture_since(db); }});
  }
  std::string error_of_run(const StartComparison::Settings& settings) {
    try {
      run(settings);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::size_t pending() { return colony_->app("a").outbox().size(); }
  std::size_t files() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(colony_->folder() / ""), {}));
  }

  std::optional<MissedColony> colony_;
  std::optional<CaptureSince> capture_;
  Status status_;
  bool goes_on_ = true;
  int pins_ = 0;
  std::function<void()> after_pin_;
};

TEST_F(StartComparisonTest, finds_what_programs_have_committed) {
  begin();
  colony_->store_snapshot("b");
  colony_->a_is_left_alone();
  colony_->meddle(kMeddling);
  const std::size_t before = files();
  run(settings());
  EXPECT_EQ(pending(), 1u);
  EXPECT_EQ(files(), before) << "the scratch file is left behind";
  run(settings());
  EXPECT_EQ(pending(), 1u);
  colony_->a_goes_on();
  colony_->settle();
  EXPECT_EQ(colony_->app("b").rows("t"), "1 'one' NULL\n2 'zwei' NULL\n");
  EXPECT_EQ(colony_->state("a"), colony_->state("b"));
}

TEST_F(StartComparisonTest, captures_a_schema_that_changes_meanwhile_as_well) {
  begin();
  colony_->store_snapshot("b");
  colony_->a_is_left_alone();
  colony_->meddle(kMeddling);
  after_pin_ = [this] { colony_->write("CREATE TABLE n(k INTEGER PRIMARY KEY); INSERT INTO n VALUES(1)"); };
  run(settings());
  EXPECT_EQ(pins_, 1);
  EXPECT_EQ(pending(), 2u);
  colony_->a_goes_on();
  colony_->settle();
  EXPECT_EQ(colony_->app("b").rows("n"), "1\n");
  EXPECT_EQ(colony_->state("a"), colony_->state("b"));
}

TEST_F(StartComparisonTest, has_nothing_to_compare_in_a_file_that_has_met_nobody) {
  begin(Met::kNobody);
  colony_->a_is_left_alone();
  colony_->meddle(kMeddling);
  run(settings());
  EXPECT_EQ(pending(), 0u);
  Database db(colony_->path("a"), Database::Mode::kReadOnly);
  EXPECT_EQ(noted_schema(db), schema_objects(db));
}

TEST_F(StartComparisonTest, of_a_young_colony_takes_the_rows_that_there_are) {
  begin(Met::kAlone);
  colony_->app("a").run("INSERT INTO t VALUES(3, 'three')");
  colony_->node("a").settle();
  colony_->app("a").run("INSERT INTO t VALUES(4, 'four')");
  colony_->a_is_left_alone();
  colony_->meddle("UPDATE t SET a = a || '!'");
  run(settings());
  EXPECT_EQ(pending(), 1u);
  colony_->a_goes_on();
  colony_->node("a").settle();
  colony_->store_snapshot("a");
  EXPECT_EQ(colony_->app("a").rows("t"), "1 'one!'\n2 'two!'\n3 'three!'\n4 'four!'\n");
  run(settings());  // the snapshot has the same rows
  EXPECT_EQ(pending(), 0u);
}

TEST_F(StartComparisonTest, refuses_where_there_is_no_snapshot_and_others_have_rows) {
  begin();
  colony_->a_is_left_alone();
  colony_->meddle(kMeddling);
  EXPECT_NE(error_of_run(settings()).find("run colony snapshot on another node"), std::string::npos);
  EXPECT_NE(error_of_run(settings(false)).find("--snapshots is none"), std::string::npos);
  EXPECT_EQ(pending(), 0u);
  EXPECT_EQ(pins_, 0);
}

TEST_F(StartComparisonTest, waits_for_the_log_and_says_what_for) {
  begin();
  colony_->store_snapshot("b");
  colony_->a_is_left_alone();
  colony_->meddle(kMeddling);
  Away away(colony_->stream(), "a");
  try {
    run(settings(), &away);
    FAIL();
  } catch (const LogUnavailable& error) {
    EXPECT_EQ(std::string(error.what()),
              "no connection: finding what programs have committed while no colony run was running needs the log, and "
              "waits for it; programs can go on");
  }
  EXPECT_EQ(pins_, 0) << "nothing keeps the write-ahead log from being begun anew";
  colony_->meddle("DELETE FROM t WHERE k = 1");
  run(settings());
  EXPECT_EQ(pending(), 1u);
}

TEST_F(StartComparisonTest, ends_when_the_sidecar_does) {
  begin();
  colony_->store_snapshot("b");
  colony_->a_is_left_alone();
  colony_->meddle(kMeddling);
  goes_on_ = false;
  EXPECT_THROW(run(settings()), Interrupted);
  EXPECT_EQ(pending(), 0u);
}

}  // namespace
}  // namespace colony::unit
