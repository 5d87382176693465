// The object store over a real nats-server: what no other kind of store has.
#include "replicator/broker/object_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "replicator/broker/jetstream_connection.h"
#include "replicator/broker/object_bucket.h"
#include "replicator/log/error.h"
#include "tests/cluster/nats_process.h"

namespace colony {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

class ObjectStoreTest : public testing::Test {
 protected:
  ObjectStoreTest() { start({"--jetstream"}); }

  void start(std::vector<std::string> arguments) {
    connection_.reset();
    broker_ = std::make_unique<NatsProcess>(std::move(arguments));
    open_nats_library();
    connection_ =
        std::make_unique<JetStreamConnection>(broker_->url(), std::vector<std::string>{broker_->url()}, "operator");
  }

  ObjectStore store(std::chrono::nanoseconds dead_after = std::chrono::hours(1)) {
    ObjectStoreSettings settings;
    settings.broker = broker_->url();
    settings.bucket = "b";
    settings.dead_after = dead_after;
    return ObjectStore(settings);
  }

  ObjectBucket bucket() { return ObjectBucket(*connection_, "b"); }

  static void put(ObjectStore& store, const std::string& name, const std::string& bytes,
                  const ObjectStore::GoOn& each = go_on) {
    std::size_t at = 0;
    const auto source = [&](char* buffer, std::size_t room) {
      const std::size_t count = bytes.copy(buffer, room, at);
      at += count;
      return count;
    };
    store.put(name, source, bytes.size(), each);
  }

  static std::string get(
      ObjectStore& store, const std::string& name, const std::function<void()>& each = [] {}) {
    std::string bytes;
    store.get(
        name,
        [&](std::string_view slice) {
          bytes += slice;
          each();
        },
        go_on);
    return bytes;
  }

  static std::string error_of(const std::function<void()>& call) {
    try {
      call();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  void publish_chunk(const std::string& nuid, const std::string& bytes) {
    require_nats(js_Publish(nullptr, connection_->jetstream(), bucket().chunk_subject(nuid).c_str(), bytes.data(),
                            static_cast<int>(bytes.size()), nullptr, nullptr),
                 "chunk");
  }

  void delete_message(std::uint64_t sequence) {
    require_nats(js_DeleteMsg(connection_->jetstream(), "OBJ_b", sequence, nullptr, nullptr), "delete message");
  }

  std::unique_ptr<NatsProcess> broker_;
  std::unique_ptr<JetStreamConnection> connection_;
};

TEST_F(ObjectStoreTest, chunks_of_dead_uploads_are_purged_when_they_are_old) {
  ObjectStore careful = store();
  put(careful, "a", "living");
  publish_chunk("DeadUploadOfSomebody00", "x");
  put(careful, "b", "living");
  EXPECT_EQ(bucket().uploads().size(), 3u) << "an upload that may be alive was purged";
  ObjectStore strict = store(std::chrono::nanoseconds(0));
  put(strict, "c", "living");
  EXPECT_EQ(bucket().uploads().size(), 3u);
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(get(strict, name), "living");
}

TEST_F(ObjectStoreTest, an_object_that_changed_on_its_way_is_an_error) {
  ObjectStore objects = store();
  put(objects, "a", "hello");
  ObjectMeta meta = *bucket().find("a");
  bucket().purge_chunks(meta.nuid);
  publish_chunk(meta.nuid, "hellO");
  EXPECT_NE(error_of([&] { get(objects, "a"); }).find("SHA-256"), std::string::npos);
}

TEST_F(ObjectStoreTest, an_object_that_has_lost_a_chunk_is_an_error) {
  ObjectStore objects = store();
  put(objects, "a", std::string(500'000, 'x'));
  delete_message(2);
  EXPECT_NE(error_of([&] { get(objects, "a"); }).find("lost chunks"), std::string::npos);
  put(objects, "a", "again");
  EXPECT_EQ(get(objects, "a"), "again");
}

TEST_F(ObjectStoreTest, one_that_is_removed_while_it_is_read_is_no_whole_object) {
  ObjectStore objects = store();
  ObjectStore other = store();
  // More than the broker sends ahead.
  put(objects, "a", std::string(60'000'000, 'x'));
  bool removed = false;
  const auto remove_once = [&] {
    if (!removed) other.remove("a");
    removed = true;
  };
  EXPECT_THROW(get(objects, "a", remove_once), Error);
}

TEST_F(ObjectStoreTest, a_read_may_be_given_up_in_the_middle_of_what_the_broker_sends) {
  ObjectStore objects = store();
  put(objects, "a", std::string(3'000'000, 'x'));
  const auto stop = [] { throw std::out_of_range("enough"); };
  for (int i = 0; i < 100; ++i) EXPECT_THROW(get(objects, "a", stop), std::out_of_range);
  EXPECT_EQ(get(objects, "a").size(), 3'000'000u);
}

TEST_F(ObjectStoreTest, removing_leaves_the_documented_marker_and_no_chunks) {
  ObjectStore objects = store();
  put(objects, "a", "hello");
  objects.remove("a");
  EXPECT_TRUE(bucket().uploads().empty());
  const std::optional<ObjectMeta> marker = bucket().find("a");
  ASSERT_TRUE(marker);
  EXPECT_TRUE(marker->deleted);
  EXPECT_EQ(marker->bytes, 0u);
  put(objects, "a", "anew");
  EXPECT_EQ(get(objects, "a"), "anew");
}

TEST_F(ObjectStoreTest, a_bucket_that_is_full_is_to_be_tried_again_and_left_as_it_was) {
  ObjectStore objects = store();
  put(objects, "a", "hello");
  jsStreamInfo* info = nullptr;
  require_nats(js_GetStreamInfo(&info, connection_->jetstream(), "OBJ_b", nullptr, nullptr), "bucket");
  const StreamInfoHandle owner(info);
  info->Config->MaxBytes = 2'000'000;
  require_nats(js_UpdateStream(nullptr, connection_->jetstream(), info->Config, nullptr, nullptr), "bucket");
  EXPECT_THROW(put(objects, "b", std::string(5'000'000, 'x')), LogUnavailable);
  EXPECT_EQ(bucket().uploads().size(), 1u);
  EXPECT_EQ(get(objects, "a"), "hello");
}

TEST_F(ObjectStoreTest, chunks_fit_into_a_small_max_payload) {
  const std::string config = (broker_->directory() / "small.conf").string();
  FILE* file = std::fopen(config.c_str(), "w");
  std::fputs("max_payload: 8192\n", file);
  std::fclose(file);
  start({"--jetstream", "--config", config});
  ObjectStore objects = store();
  const std::string bytes(100'000, 'x');
  put(objects, "a", bytes);
  EXPECT_EQ(get(objects, "a"), bytes);
}

TEST_F(ObjectStoreTest, a_broker_that_comes_back_is_used_again) {
  ObjectStore objects = store();
  put(objects, "a", "hello");
  broker_->kill();
  EXPECT_THROW(objects.list(), LogUnavailable);
  broker_->start();
  EXPECT_EQ(get(objects, "a"), "hello");
}

TEST_F(ObjectStoreTest, what_the_broker_does_not_permit_is_an_error) {
  const std::string config = (broker_->directory() / "users.conf").string();
  FILE* file = std::fopen(config.c_str(), "w");
  std::fputs("authorization { users = [ { user: u, password: p, permissions: { publish: \"other\" } } ] }\n", file);
  std::fclose(file);
  connection_.reset();
  NatsProcess broker({"--jetstream", "--config", config});
  ObjectStoreSettings settings;
  settings.broker = "nats://u:p@" + broker.url().substr(7);
  settings.bucket = "b";
  ObjectStore objects(settings);
  const std::string error = error_of([&] { objects.list(); });
  EXPECT_NE(error.find("does not permit"), std::string::npos) << error;
}

}  // namespace
}  // namespace colony
