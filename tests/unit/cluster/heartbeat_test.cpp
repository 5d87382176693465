// What nodes tell of themselves survives its text, and what anybody else writes there does no harm.
#include "replicator/cluster/heartbeat.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

Heartbeat sample() {
  Heartbeat heartbeat;
  heartbeat.node = "a";
  heartbeat.incarnation = Incarnation(0xfeedfacecafebeef);
  heartbeat.position = Sequence(12);
  heartbeat.log_chain = 0xffffffffffffffff;
  heartbeat.log_head = Sequence(~std::uint64_t{0});
  heartbeat.pending = 7;
  heartbeat.state = "halted";
  heartbeat.version = "1";
  heartbeat.capture = "wal";
  heartbeat.home = {"host", "/some \"path\"/a.db"};
  heartbeat.error = "line one\nline two";
  heartbeat.gone_after = std::chrono::seconds(60);
  heartbeat.epoch = "epoch";
  heartbeat.former_epochs = {"first", "second"};
  heartbeat.version_vector[Incarnation(3)] = {"b", ChunkNumber(9), true};
  heartbeat.snapshots = "nats:";
  heartbeat.held_by = "who";
  return heartbeat;
}

TEST(Heartbeat, survives_its_text) {
  const std::optional<Heartbeat> read = decode_heartbeat(encode_heartbeat(sample()), "a");
  ASSERT_TRUE(read);
  EXPECT_EQ(encode_heartbeat(*read), encode_heartbeat(sample()));
  EXPECT_EQ(read->log_head, Sequence(~std::uint64_t{0}));
  EXPECT_EQ(read->version_vector, sample().version_vector);
  EXPECT_EQ(read->former_epochs, sample().former_epochs);
  EXPECT_EQ(read->capture, "wal");
}

TEST(Heartbeat, bytes_that_are_no_text_are_replaced) {
  Heartbeat heartbeat = sample();
  heartbeat.error = "\xff\xfe";
  const std::optional<Heartbeat> read = decode_heartbeat(encode_heartbeat(heartbeat), "a");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->error.find('\xff'), std::string::npos);
}

TEST(Heartbeat, of_another_node_or_none_at_all_is_none) {
  EXPECT_FALSE(decode_heartbeat(encode_heartbeat(sample()), "b"));
  for (const char* text :
       {"", "no JSON", "[]", "null", "1", "{", "{}", "{\"node\":1}", "{\"node\":\"a\"", "\"a\"", "\xff"}) {
    EXPECT_FALSE(decode_heartbeat(text, "a")) << text;
  }
  EXPECT_FALSE(decode_heartbeat(std::string(100'000, '['), "a"));
}

TEST(Heartbeat, members_of_another_kind_are_empty) {
  const std::optional<Heartbeat> read = decode_heartbeat(
      "{\"node\":\"a\",\"incarnation\":7,\"position\":\"12\",\"pending\":1.5,\"state\":null,\"host\":{},\"path\":[],"
      "\"gone_after_s\":-1,\"former_epochs\":{\"x\":1},\"marks\":[1,null,{\"incarnation\":\"zz\",\"left\":\"yes\"}],"
      "\"log_chain\":true,\"unknown\":[[[]]]}",
      "a");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->incarnation, Incarnation());
  EXPECT_EQ(read->position, Sequence());
  EXPECT_EQ(read->pending, 0);
  EXPECT_EQ(read->state, "");
  EXPECT_EQ(read->gone_after, kGoneAfter);
  EXPECT_TRUE(read->former_epochs.empty());
  EXPECT_FALSE(read->log_chain);
  ASSERT_EQ(read->version_vector.size(), 1u);
  EXPECT_FALSE(read->version_vector.begin()->second.has_left);
}

}  // namespace
}  // namespace colony
