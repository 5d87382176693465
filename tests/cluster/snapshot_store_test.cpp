// What every snapshot store owes its callers, tried on one of each kind.
#include "replicator/snapshot_store/snapshot_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "replicator/log/error.h"
#include "tests/cluster/snapshot_places.h"

namespace colony {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

std::string random_bytes(std::size_t count) {
  std::mt19937_64 random(count);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class SnapshotStoreTest : public testing::TestWithParam<std::string> {
 protected:
  SnapshotStoreTest() : place_(make_snapshot_place(GetParam())), store_(place_->open()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "colony-snapshots-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  ~SnapshotStoreTest() override { std::filesystem::remove_all(folder_); }

  std::string file_with(const std::string& bytes) {
    const std::string path = folder_ / "file";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  void put(const std::string& name, const std::string& bytes) { store_->put(name, file_with(bytes), go_on); }

  std::string get(const std::string& name) {
    std::string bytes;
    store_->get(
        name, [&](std::string_view slice) { bytes += slice; }, go_on);
    return bytes;
  }

  std::map<std::string, std::uint64_t> listed() {
    std::map<std::string, std::uint64_t> objects;
    for (const StoredObject& object : store_->list()) objects[object.name] = object.bytes;
    return objects;
  }

  using Listed = std::map<std::string, std::uint64_t>;

  std::unique_ptr<SnapshotPlace> place_;
  std::unique_ptr<SnapshotStore> store_;
  std::filesystem::path folder_;
};

TEST_P(SnapshotStoreTest, is_empty_before_anything_was_put) { EXPECT_TRUE(store_->list().empty()); }

TEST_P(SnapshotStoreTest, gives_back_what_was_put) {
  put("a-1.snapshot", "hello");
  EXPECT_EQ(listed(), (Listed{{"a-1.snapshot", 5}}));
  EXPECT_EQ(get("a-1.snapshot"), "hello");
  store_->remove("a-1.snapshot");
  EXPECT_TRUE(listed().empty());
}

TEST_P(SnapshotStoreTest, another_client_sees_the_same) {
  put("a", "hello");
  store_ = place_->open();
  EXPECT_EQ(listed(), (Listed{{"a", 5}}));
  EXPECT_EQ(get("a"), "hello");
}

TEST_P(SnapshotStoreTest, replaces_an_object) {
  put("a", random_bytes(300'000));
  const std::size_t files = place_->files().size();
  put("a", "new");
  EXPECT_EQ(listed(), (Listed{{"a", 3}}));
  EXPECT_EQ(get("a"), "new");
  EXPECT_LE(place_->files().size(), files) << "of what was replaced, something is left";
}

TEST_P(SnapshotStoreTest, keeps_an_empty_object) {
  put("empty", "");
  EXPECT_EQ(listed(), (Listed{{"empty", 0}}));
  EXPECT_EQ(get("empty"), "");
}

TEST_P(SnapshotStoreTest, keeps_five_megabytes_byte_by_byte) {
  const std::string bytes = random_bytes(5'000'000);
  put("large", bytes);
  EXPECT_EQ(listed(), (Listed{{"large", bytes.size()}}));
  EXPECT_TRUE(get("large") == bytes);
}

TEST_P(SnapshotStoreTest, lists_many_names) {
  Listed expected;
  for (int i = 0; i < 12; ++i) {
    const std::string name = "Node_" + std::to_string(i % 3) + "-" + std::to_string(1000 - i) + ".x";
    put(name, std::string(static_cast<std::size_t>(i), 'x'));
    expected[name] = static_cast<std::uint64_t>(i);
  }
  EXPECT_EQ(listed(), expected);
}

TEST_P(SnapshotStoreTest, progress_goes_from_nothing_to_all) {
  const std::string bytes = random_bytes(700'000);
  std::uint64_t last = 0;
  const auto rises = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_LE(last, done);
    EXPECT_LE(done, bytes.size());
    EXPECT_TRUE(total == bytes.size() || (total == 0 && done == 0)) << total;
    last = done;
    return true;
  };
  store_->put("a", file_with(bytes), rises);
  last = 0;
  store_->get(
      "a", [](std::string_view) {}, rises);
}

TEST_P(SnapshotStoreTest, getting_what_is_not_there_is_an_error) {
  EXPECT_THROW(get("missing"), Error);
  put("a", "x");
  try {
    get("missing");
    FAIL() << "no error";
  } catch (const LogUnavailable& error) {
    FAIL() << "to be tried again: " << error.what();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("missing"), std::string::npos) << error.what();
  }
}

TEST_P(SnapshotStoreTest, removing_what_is_not_there_does_nothing) {
  store_->remove("missing");
  put("a", "x");
  store_->remove("missing");
  EXPECT_EQ(listed(), (Listed{{"a", 1}}));
}

TEST_P(SnapshotStoreTest, an_interrupted_put_leaves_nothing) {
  put("a", "before");
  const std::size_t files = place_->files().size();
  const std::string path = file_with(random_bytes(5'000'000));
  const auto stop = [](std::uint64_t done, std::uint64_t) { return done < 1'000'000; };
  EXPECT_THROW(store_->put("a", path, stop), Interrupted);
  EXPECT_THROW(store_->put("b", path, stop), Interrupted);
  EXPECT_EQ(listed(), (Listed{{"a", 6}}));
  EXPECT_EQ(get("a"), "before");
  EXPECT_EQ(place_->files().size(), files) << "something is left of the upload";
}

TEST_P(SnapshotStoreTest, an_interrupted_get_ends) {
  put("a", random_bytes(5'000'000));
  // How soon it is asked is the library's affair: a fast server may have given all.
  const auto sink = [](std::string_view) {};
  EXPECT_THROW(store_->get("a", sink, [](std::uint64_t done, std::uint64_t) { return done < 1'000'000; }), Interrupted);
  EXPECT_EQ(get("a").size(), 5'000'000u);
}

TEST_P(SnapshotStoreTest, what_the_sink_throws_comes_through) {
  put("a", random_bytes(1'000'000));
  const auto sink = [](std::string_view) { throw std::out_of_range("enough"); };
  EXPECT_THROW(store_->get("a", sink, go_on), std::out_of_range);
  EXPECT_EQ(get("a").size(), 1'000'000u);
}

TEST_P(SnapshotStoreTest, a_server_that_is_gone_is_to_be_tried_again) {
  put("a", "x");
  if (!place_->stop_server()) return;
  EXPECT_THROW(store_->list(), LogUnavailable);
  EXPECT_THROW(get("a"), LogUnavailable);
  EXPECT_THROW(put("b", "x"), LogUnavailable);
  EXPECT_THROW(store_->remove("a"), LogUnavailable);
}

TEST_P(SnapshotStoreTest, wrong_credentials_are_an_error_without_the_secret) {
  put("a", "x");
  const std::unique_ptr<SnapshotStore> store = place_->open_with_wrong_credentials();
  const auto expect_refusal = [](const auto& call) {
    try {
      call();
      ADD_FAILURE() << "let in";
    } catch (const LogUnavailable& error) {
      ADD_FAILURE() << "to be tried again: " << error.what();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find(kWrongSecret), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  };
  const std::string path = file_with("x");
  expect_refusal([&] { store->list(); });
  expect_refusal([&] { store->put("b", path, go_on); });
  expect_refusal([&] {
    store->get(
        "a", [](std::string_view) {}, go_on);
  });
  EXPECT_EQ(store->url().find(kWrongSecret), std::string::npos);
}

TEST_P(SnapshotStoreTest, names_with_other_letters_are_refused) {
  for (const char* name : {"", "a/b", "..", ".hidden", "a b", "a~1", "\xc3\xa4"}) {
    EXPECT_THROW(put(name, "x"), Error) << name;
    EXPECT_THROW(get(name), Error) << name;
    EXPECT_THROW(store_->remove(name), Error) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Places, SnapshotStoreTest, testing::ValuesIn(snapshot_place_kinds()),
                         [](const auto& place) { return place.param; });

}  // namespace
}  // namespace colony
