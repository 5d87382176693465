// What a node that cannot go on reads, again and again, until its cause is mended.
#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "replicator/store/file_layout.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

using unit::MemorySidecar;
using unit::MemoryStream;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b); CREATE TABLE u(k INTEGER PRIMARY KEY)";
constexpr std::uint64_t kPending = 500;

class HaltedApplierTest : public testing::Test {
 protected:
  // b has much pending, and cannot apply what a has sent.
  void halt_b() {
    unit::settle({&a_, &b_});
    for (std::uint64_t k = 1; k <= kPending; ++k)
      b_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", 'b', 0)");
    change_schema_of_b("ALTER TABLE t RENAME COLUMN b TO other");
    a_.app().run("INSERT INTO t VALUES(10000, 'a', 0)");
    a_.settle();
    EXPECT_THROW(b_.absorb(), Halt);
    read_ = b_.applier().chunks_read();
  }
  // Since then.
  std::uint64_t read_again() { return b_.applier().chunks_read() - read_; }
  void mend_b() { change_schema_of_b("ALTER TABLE t RENAME COLUMN other TO b"); }
  // Of b alone: as an operator does who runs colony init again.
  void change_schema_of_b(const std::string& sql) {
    Database operator_of_b = unit::open_captured(b_.app().path());
    operator_of_b.execute("SELECT colony_allow_schema_changes(); " + sql);
    agree_on_definitions(operator_of_b);
  }

  MemoryStream stream_;
  MemorySidecar a_{stream_, kSchema, "a", 1}, b_{stream_, kSchema, "b", 2};
  std::uint64_t read_ = 0;
};

TEST_F(HaltedApplierTest, outbox_is_not_read_again_for_each_try) {
  halt_b();
  for (int i = 0; i < 5; ++i) EXPECT_THROW(b_.absorb(), Halt);
  EXPECT_EQ(read_again(), 0u);
  b_.app().run("INSERT INTO u VALUES(1)");
  EXPECT_THROW(b_.absorb(), Halt);
  EXPECT_EQ(read_again(), 1u);
  mend_b();
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
}

TEST_F(HaltedApplierTest, outbox_is_not_read_again_when_the_log_was_another_one) {
  halt_b();
  const std::string epoch = std::exchange(stream_.epoch, "another");
  for (int i = 0; i < 5; ++i) EXPECT_THROW(b_.absorb(), LogReplaced);
  stream_.epoch = epoch;
  EXPECT_THROW(b_.absorb(), Halt);
  EXPECT_EQ(read_again(), 0u);
}

TEST_F(HaltedApplierTest, outbox_is_not_read_again_when_the_disk_is_full) {
  const unit::TemporaryFolder folder;
  b_.applier_options.spill = SpillSettings{folder / "later", 1000};
  b_.restart();
  unit::settle({&a_, &b_});
  for (std::uint64_t k = 1; k <= kPending; ++k) b_.app().run("INSERT INTO t VALUES(" + std::to_string(k) + ", 'b', 0)");
  stream_.entry_bytes_max = kEntryBytesMin;  // it comes in parts
  a_.restart();
  a_.app().run("INSERT INTO t VALUES(10000, zeroblob(200000), hex(zeroblob(1000)))");
  a_.settle();
  for (int i = 0; i < 5; ++i) EXPECT_THROW(b_.absorb(), SpillError);
  std::filesystem::create_directory(folder / "later");
  unit::settle({&a_, &b_});
  EXPECT_EQ(b_.applier().chunks_read(), kPending);
  EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
}

// An earlier state of the file, with the same position, in which other transactions
// have got the numbers since.
TEST_F(HaltedApplierTest, outbox_that_was_put_back_meanwhile_is_read_again) {
  halt_b();
  b_.app().run("DELETE FROM t WHERE k > 2; DELETE FROM __colony_outbox WHERE piece > 2");
  for (std::uint64_t k = 3; k <= kPending + 10; ++k) b_.app().run("INSERT INTO u VALUES(" + std::to_string(k) + ")");
  EXPECT_THROW(b_.absorb(), Halt);
  EXPECT_EQ(read_again(), kPending + 10);
  mend_b();
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
}

TEST_F(HaltedApplierTest, outbox_that_cannot_be_read_is_read_again) {
  unit::settle({&a_, &b_});
  b_.app().run("INSERT INTO t VALUES(1, 'b', 0)");
  b_.app().run("INSERT INTO t VALUES(2, 'b', 0)");
  const std::string changeset = b_.file().outbox_chunk(ChunkNumber(2))->changeset;
  b_.app().run("UPDATE __colony_outbox SET changeset = x'ff' WHERE piece = 2");
  a_.app().run("INSERT INTO t VALUES(1, 'a', 0)");
  a_.settle();
  EXPECT_THROW(b_.absorb(), ChangesetError);
  EXPECT_THROW(b_.absorb(), ChangesetError);
  Statement(b_.app().db(), "UPDATE __colony_outbox SET changeset = ?1 WHERE piece = 2").bind_blob(1, changeset).run();
  unit::settle({&a_, &b_});
  EXPECT_EQ(a_.app().rows("t"), b_.app().rows("t"));
}

TEST_F(HaltedApplierTest, another_try_is_worth_it_once_the_schema_has_changed) {
  halt_b();
  EXPECT_FALSE(b_.applier().is_worth_another_try());
  b_.app().run("INSERT INTO u VALUES(1)");
  EXPECT_FALSE(b_.applier().is_worth_another_try());
  mend_b();
  EXPECT_TRUE(b_.applier().is_worth_another_try());
}

TEST_F(HaltedApplierTest, another_try_is_worth_it_once_the_entry_has_changed) {
  halt_b();
  EXPECT_FALSE(b_.applier().is_worth_another_try());
  stream_.messages.back().data += "x";
  EXPECT_TRUE(b_.applier().is_worth_another_try());
  stream_.first = stream_.last().next();
  EXPECT_TRUE(b_.applier().is_worth_another_try());
}

}  // namespace
}  // namespace colony
