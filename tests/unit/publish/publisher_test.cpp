// What is sent, in what order, and what again.
#include "replicator/publish/publisher.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_sidecar.h"

namespace colony {
namespace {

using unit::Fate;
using unit::MemorySidecar;
using unit::MemoryStream;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

class PublisherTest : public testing::Test {
 protected:
  // As many transactions, each large enough for an entry of its own.
  void write(int from, int count) {
    for (int k = from; k < from + count; ++k) {
      a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", zeroblob(50000))");
    }
  }
  // From here on, each entry takes one transaction.
  void one_to_an_entry() {
    a_.publisher_options.entry_bytes_max = kEntryBytesMin;
    a_.restart();
  }
  // What another node, which reads the same log, then has.
  std::string read_elsewhere() {
    MemorySidecar b(stream_, kSchema, "b", 2);
    b.absorb();
    return b.app().rows("t");
  }

  MemoryStream stream_;
  MemorySidecar a_{stream_, kSchema, "a", 1};
};

TEST_F(PublisherTest, nothing_is_sent_before_the_log_was_read) {
  write(1, 1);
  EXPECT_EQ(a_.publish(), 0);
  EXPECT_EQ(stream_.shown(), "");
}

TEST_F(PublisherTest, hello_comes_first_and_its_acceptance_is_awaited) {
  write(1, 1);
  a_.absorb();
  EXPECT_EQ(a_.publish(), 1);
  EXPECT_EQ(stream_.shown(), "a hello\n");
  EXPECT_EQ(a_.publish(), 0);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\n");
}

TEST_F(PublisherTest, small_transactions_share_an_entry) {
  a_.settle();
  for (int k = 1; k <= 500; ++k) a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", 'small')");
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..500\n");
  EXPECT_EQ(a_.file().pending_transactions(), 0);
}

TEST_F(PublisherTest, several_entries_are_in_flight_at_once) {
  one_to_an_entry();
  a_.settle();
  write(1, 5);
  EXPECT_EQ(a_.publish(), 5);
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\na 2..2\na 3..3\na 4..4\na 5..5\n");
}

TEST_F(PublisherTest, entries_in_flight_are_bounded) {
  a_.publisher_options.in_flight_bytes_max = 100'000;
  a_.app().run("CREATE TABLE unused(k)");
  one_to_an_entry();
  a_.settle();
  // Zeros would be compressed to nothing.
  for (int k = 1; k <= 5; ++k) a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", randomblob(50000))");
  EXPECT_EQ(a_.publish(), 2);
  EXPECT_EQ(a_.publish(), 0);
  a_.absorb();
  EXPECT_EQ(a_.publish(), 2);
  a_.settle();
  EXPECT_EQ(stream_.messages.size(), 6u);
}

TEST_F(PublisherTest, no_entry_is_larger_than_the_broker_takes) {
  stream_.entry_bytes_max = kEntryBytesMin + 5000;
  a_.restart();
  a_.settle();
  for (int k = 1; k <= 200; ++k) a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", randomblob(900))");
  a_.app().run("INSERT INTO t VALUES(1000, randomblob(500000))");
  for (int k = 201; k <= 300; ++k) a_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", randomblob(9000))");
  a_.settle();
  for (const Message& message : stream_.messages) EXPECT_LE(message.data.size(), stream_.entry_bytes_max);
  EXPECT_EQ(a_.file().pending_transactions(), 0);
  EXPECT_EQ(read_elsewhere(), a_.app().rows("t"));
}

TEST_F(PublisherTest, entry_of_one_full_chunk_fits_into_the_least_a_broker_must_take) {
  stream_.entry_bytes_max = kEntryBytesMin;
  a_.restart();
  a_.settle();
  a_.app().run("INSERT INTO t VALUES(1, randomblob(500000))");
  a_.settle();
  EXPECT_EQ(a_.file().pending_transactions(), 0);
  for (const Message& message : stream_.messages) EXPECT_LE(message.data.size(), kEntryBytesMin);
}

TEST_F(PublisherTest, lost_entry_is_sent_again_with_all_that_followed_it) {
  one_to_an_entry();
  a_.settle();
  write(1, 4);
  a_.log().fates({Fate::kArrives, Fate::kVanishes});
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\na 3..3\na 4..4\na 2..2\na 3..3\na 4..4\n");
  EXPECT_EQ(a_.file().pending_transactions(), 0);
  EXPECT_EQ(read_elsewhere(), a_.app().rows("t"));
}

TEST_F(PublisherTest, entry_that_arrives_twice_counts_once) {
  one_to_an_entry();
  a_.settle();
  a_.app().run("INSERT INTO t VALUES(1, 0); UPDATE t SET a = a + 1; UPDATE t SET a = a + 1");
  a_.log().fates({Fate::kArrivesTwice, Fate::kArrivesTwice});
  a_.settle();
  EXPECT_EQ(a_.app().rows("t"), "1 2\n");
  EXPECT_EQ(read_elsewhere(), "1 2\n");
}

TEST_F(PublisherTest, last_entry_that_vanished_is_sent_again_when_nobody_answers) {
  a_.settle();
  write(1, 1);
  a_.log().fates({Fate::kVanishes});
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\n");
  a_.now() += std::chrono::seconds(9);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\n");
  a_.now() += std::chrono::seconds(2);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\n");
}

TEST_F(PublisherTest, hello_that_vanished_is_sent_again_when_nobody_answers) {
  a_.log().fates({Fate::kVanishes});
  a_.settle();
  EXPECT_EQ(stream_.shown(), "");
  a_.now() += std::chrono::seconds(11);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\n");
}

TEST_F(PublisherTest, refused_entry_is_sent_again_at_once) {
  a_.settle();
  write(1, 1);
  a_.log().fates({Fate::kIsRefused});
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\n");
}

TEST_F(PublisherTest, failed_publish_is_tried_again) {
  a_.settle();
  write(1, 1);
  a_.log().fates({Fate::kFails});
  EXPECT_THROW(a_.publish(), LogUnavailable);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\n");
}

TEST_F(PublisherTest, publish_that_failed_and_arrived_all_the_same_counts_once) {
  a_.settle();
  a_.app().run("INSERT INTO t VALUES(1, 0)").run("UPDATE t SET a = a + 1");
  a_.log().fates({Fate::kFailsLate});
  EXPECT_THROW(a_.publish(), LogUnavailable);
  a_.settle();
  EXPECT_EQ(a_.app().rows("t"), "1 1\n");
  EXPECT_EQ(read_elsewhere(), "1 1\n");
  EXPECT_EQ(a_.file().pending_transactions(), 0);
}

TEST_F(PublisherTest, after_a_restart_nothing_is_sent_twice) {
  a_.settle();
  write(1, 3);
  a_.publish();  // the log has it; the file does not know yet
  const std::string sent = stream_.shown();
  a_.restart();
  a_.settle();
  // The hello tells again where this node lives.
  EXPECT_EQ(stream_.shown(), sent);
  EXPECT_EQ(a_.file().pending_transactions(), 0);
}

TEST_F(PublisherTest, after_a_restart_what_the_log_lacks_is_sent) {
  one_to_an_entry();
  a_.settle();
  write(1, 3);
  a_.log().fates({Fate::kArrives, Fate::kVanishes, Fate::kVanishes});
  a_.publish();
  a_.restart();
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\na 2..2\na 3..3\n");
}

TEST_F(PublisherTest, questions_and_answers_go_before_transactions) {
  a_.settle();
  write(1, 1);
  a_.publisher().enqueue(BarrierEntry{5});
  a_.publisher().enqueue(ProofEntry{});
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na barrier\na proof\na 1..1\n");
}

TEST_F(PublisherTest, question_survives_a_publish_that_fails) {
  a_.settle();
  a_.publisher().enqueue(BarrierEntry{5});
  a_.log().fates({Fate::kFails});
  EXPECT_THROW(a_.publish(), LogUnavailable);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na barrier\n");
}

TEST_F(PublisherTest, outbox_row_stays_until_its_entry_has_come_back) {
  a_.settle();
  write(1, 1);
  a_.publish();
  EXPECT_EQ(a_.file().pending_transactions(), 1);
  a_.absorb();
  EXPECT_EQ(a_.file().pending_transactions(), 0);
  EXPECT_EQ(a_.file().absorbed(), ChunkNumber(1));
}

TEST_F(PublisherTest, numbers_go_on_after_the_outbox_was_emptied_and_the_node_restarted) {
  a_.settle();
  write(1, 2);
  a_.settle();
  a_.restart();
  write(3, 1);
  a_.settle();
  EXPECT_EQ(stream_.shown(), "a hello\na 1..1\na 2..2\na 3..3\n");
}

}  // namespace
}  // namespace colony
