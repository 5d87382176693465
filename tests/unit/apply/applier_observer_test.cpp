// What an applier tells, in its order.
#include "replicator/apply/applier_observer.h"

#include <gtest/gtest.h>

#include "replicator/apply/applier.h"
#include "tests/unit/memory_sidecar.h"

namespace colony {
namespace {

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

// A line for each thing that it hears, but for how the loop progresses.
class Recorder : public ApplierObserver {
 public:
  void check_may_go_on() const override {
    if (!objection.empty()) throw Halt(objection);
  }
  std::optional<std::uint64_t> open_question() const override { return question; }
  void question_answered(std::uint64_t answered) override {
    say("question " + std::to_string(answered) + " answered");
    question.reset();
  }
  void state_changed(State state, const std::string& why, Sequence position) override {
    say(std::string(to_string(state)) + " at " + number(position) + (why.empty() ? "" : ": " + why));
  }
  void file_loaded(const LogState& state) override { say("file loaded at " + number(state.position)); }
  void log_met(const LogInfo& info, const OwnEntries& own) override {
    say("log met up to " + number(info.last) + own_text(own));
  }
  void absorbed(const AbsorbedRound& round) override {
    say("absorbed up to " + number(round.position) + (round.own ? own_text(*round.own) : ", not this node any more") +
        (round.absorbed.barrier ? ", barrier" : "") + (round.absorbed.question ? ", question" : "") +
        (round.must_ask_again ? ", must ask again" : ""));
  }

  std::string take() { return std::exchange(heard_, {}); }

  std::optional<std::uint64_t> question;
  std::string objection;

 private:
  static std::string number(Sequence sequence) { return std::to_string(sequence.value()); }
  static std::string own_text(const OwnEntries& own) {
    return own.introduced ? ", own up to " + std::to_string(own.accepted.value()) : "";
  }
  void say(const std::string& line) { heard_ += line + "\n"; }

  std::string heard_;
};

class ApplierObserverTest : public testing::Test {
 protected:
  ApplierObserverTest() {
    options_.home = {"host", "/self"};
    options_.go_on_waiting = [](int) { return false; };
    applier_.emplace(node_.path(), log_, heard_, options_);
  }

  void say(const std::string& origin, std::uint64_t incarnation, const EntryBody& body) {
    stream_.append(origin, encode(origin, Incarnation(incarnation), body));
  }
  void hello_of_self() { say("self", 7, HelloEntry{"host", "/self", "1"}); }
  std::string step() {
    applier_->step(std::chrono::milliseconds(0));
    return heard_.take();
  }

  unit::MemoryNode node_{kSchema, "self"};
  unit::MemoryStream stream_;
  unit::MemoryLog log_{stream_, "self"};
  Recorder heard_;
  Applier::Options options_;
  std::optional<Applier> applier_;
};

TEST_F(ApplierObserverTest, start_beside_an_empty_log) {
  heard_.question = 1;
  EXPECT_EQ(step(),
            "file loaded at 0\n"
            "log met up to 0\n"
            "running at 0\n"
            "question 1 answered\n");
  EXPECT_EQ(step(), "");
}

TEST_F(ApplierObserverTest, question_is_answered_once_the_end_of_the_log_is_absorbed) {
  heard_.question = 5;
  hello_of_self();
  EXPECT_EQ(step(),
            "file loaded at 0\n"
            "log met up to 1\n"
            "catching_up at 0\n"
            "absorbed up to 1, own up to 0\n"
            "running at 1\n"
            "question 5 answered\n");
}

TEST_F(ApplierObserverTest, questions_about_rows_are_told_once_the_file_has_caught_up) {
  const QuestionEntry question{1, CheckKind::kApart, {{"t", 1, 1, "", ""}}};
  heard_.question = 1;
  say("b", 1, HelloEntry{"host", "/b", "1"});
  say("b", 1, question);
  say("b", 1, BarrierEntry{2});
  EXPECT_EQ(step(),
            "file loaded at 0\n"
            "log met up to 3\n"
            "catching_up at 0\n"
            "absorbed up to 2\n");
  EXPECT_EQ(step(), "absorbed up to 3, barrier\nrunning at 3\nquestion 1 answered\n");
  say("b", 1, question);
  EXPECT_EQ(step(), "absorbed up to 4, question\n");
}

TEST_F(ApplierObserverTest, own_entry_out_of_turn_must_be_asked_for_again) {
  hello_of_self();
  step();
  say("self", 7, TransactionsEntry{ChunkNumber(3), {{true, 0, "x"}}});
  EXPECT_EQ(step(), "absorbed up to 2, own up to 0, must ask again\n");
}

TEST_F(ApplierObserverTest, round_that_takes_the_name_away_is_told_before_the_halt) {
  hello_of_self();
  step();
  say("self", 7, LeaveEntry{"self", Incarnation(7)});
  EXPECT_THROW(step(), Halt);
  EXPECT_EQ(heard_.take(), "absorbed up to 2, not this node any more\n");
}

TEST_F(ApplierObserverTest, who_objects_halts_it_before_it_absorbs) {
  hello_of_self();
  heard_.objection = "another log";
  EXPECT_THROW(step(), Halt);
  EXPECT_EQ(heard_.take(), "file loaded at 0\nlog met up to 1\n");
  EXPECT_EQ(applier_->position(), Sequence());
  heard_.objection.clear();
  EXPECT_EQ(step(), "file loaded at 0\nlog met up to 1\nabsorbed up to 1, own up to 0\n");
}

TEST_F(ApplierObserverTest, nobody_needs_to_listen) {
  unit::MemoryNode other(kSchema, "other");
  ApplierObserver nobody;
  Applier applier(other.path(), log_, nobody, options_);
  hello_of_self();
  EXPECT_TRUE(applier.step(std::chrono::milliseconds(0)));
  EXPECT_FALSE(applier.step(std::chrono::milliseconds(0)));
}

}  // namespace
}  // namespace colony
