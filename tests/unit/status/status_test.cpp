#include "replicator/status/status.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "replicator/log/error.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

class StatusTest : public testing::Test {
 protected:
  StatusTest() { std::ofstream(database_) << "not looked into"; }

  unit::TemporaryFolder folder_;
  std::string database_ = folder_ / "app.db";
};

TEST_F(StatusTest, nobody_runs_where_there_is_no_file) { EXPECT_FALSE(Status::of(database_)); }

TEST_F(StatusTest, reader_sees_what_the_sidecar_says) {
  const auto status = Status::beside(database_);
  EXPECT_EQ(Status::of(database_)->state, State::kStarting);
  status->set_state(State::kHalted, "the log has a gap");
  status->set_broker("nats://host:4222", "");
  status->set_log_head(Sequence(77));
  status->count_ignored();
  status->count_ignored();
  const auto view = Status::of(database_);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->state, State::kHalted);
  EXPECT_EQ(view->message, "the log has a gap");
  EXPECT_EQ(view->broker, "nats://host:4222");
  EXPECT_EQ(view->log_head, Sequence(77));
  EXPECT_EQ(view->ignored, 2u);
  EXPECT_EQ(view->pid, getpid());
  EXPECT_EQ(view->version, COLONY_VERSION);
}

TEST_F(StatusTest, later_state_clears_the_earlier_message) {
  const auto status = Status::beside(database_);
  status->set_state(State::kWaitingForBroker, "connection refused");
  status->set_state(State::kRunning);
  EXPECT_EQ(Status::of(database_)->message, "");
}

TEST_F(StatusTest, texts_that_are_too_long_are_cut) {
  const auto status = Status::beside(database_);
  status->set_state(State::kHalted, std::string(5000, 'm'));
  status->set_broker(std::string(5000, 'b'), std::string(5000, 'a'));
  EXPECT_EQ(Status::of(database_)->message, std::string(1023, 'm'));
  EXPECT_EQ(Status::of(database_)->broker, std::string(255, 'b'));
}

TEST_F(StatusTest, second_sidecar_is_refused_with_the_first_ones_process) {
  const auto status = Status::beside(database_);
  try {
    Status::beside(database_);
    FAIL() << "two sidecars";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("already runs"), std::string::npos) << what;
    EXPECT_NE(what.find(std::to_string(getpid())), std::string::npos) << what;
  }
  EXPECT_EQ(Status::of(database_)->state, State::kStarting);
}

TEST_F(StatusTest, sidecar_that_ended_leaves_nothing) {
  Status::beside(database_).reset();
  EXPECT_FALSE(Status::of(database_));
  EXPECT_FALSE(std::filesystem::exists(database_ + "-colony"));
  EXPECT_NE(Status::beside(database_), nullptr);
}

TEST_F(StatusTest, file_that_nobody_holds_means_stopped) {
  std::string page;
  {
    const auto status = Status::beside(database_);
    std::ifstream in(database_ + "-colony", std::ios::binary);
    page.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::ofstream(database_ + "-colony", std::ios::binary) << page;  // as a crash leaves it
  EXPECT_FALSE(Status::of(database_));
  const auto status = Status::beside(database_);
  status->set_state(State::kRunning);
  EXPECT_EQ(Status::of(database_)->state, State::kRunning);
}

TEST_F(StatusTest, file_of_something_else_is_no_status) {
  std::ofstream(database_ + "-colony") << "short";
  EXPECT_FALSE(Status::of(database_));
  EXPECT_EQ(Status::beside(database_)->view().state, State::kStarting);
}

TEST_F(StatusTest, file_has_no_more_permissions_than_the_database) {
  using std::filesystem::perms;
  std::filesystem::permissions(database_, perms::owner_read | perms::owner_write);
  const auto status = Status::beside(database_);
  const perms got = std::filesystem::status(database_ + "-colony").permissions();
  EXPECT_EQ(got & (perms::group_all | perms::others_all), perms::none);
}

TEST_F(StatusTest, in_memory_it_needs_no_file) {
  Status status;
  status.set_state(State::kCatchingUp, "so far");
  EXPECT_EQ(status.view().state, State::kCatchingUp);
  EXPECT_EQ(status.view().message, "so far");
}

TEST_F(StatusTest, every_state_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (const State state : {State::kStopped, State::kStarting, State::kWaitingForBroker, State::kCatchingUp,
                            State::kRunning, State::kHalted}) {
    names.insert(to_string(state));
  }
  EXPECT_EQ(names.size(), 6u);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace colony
