// Damaged bytes read, or are refused with ChangesetError; nothing else happens.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "sqlite_ext/changeset.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryFold;
using unit::MemoryNode;

const std::string kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b); CREATE TABLE \"long name\"(x TEXT, y, z UNIQUE, PRIMARY KEY(y, x))";

std::vector<std::string> samples() {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'text', x'00ff'), (2, NULL, 2.5), (3, -1, '')");
  node.run("UPDATE t SET a = 'other', b = 5 WHERE k <> 3");
  node.run(
      "BEGIN; DELETE FROM t WHERE k = 1; UPDATE t SET k = 9 WHERE k = 2; "
      "INSERT INTO \"long name\" VALUES('p', 1, printf('%.*c', 300, 'z')), ('q', 2.5, NULL); COMMIT");
  return node.outbox();
}

// A copy without a byte to spare on either side, so that a sanitizer sees a read beyond it.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), bytes_(new char[size_]) {
    std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

std::size_t changes_or_refusal(std::string_view bytes) {
  const Exact exact(bytes);
  std::size_t changes = 0;
  try {
    ChangesetReader reader(exact.view());
    Change change;
    while (reader.next(change)) ++changes;
    const std::string inverse = unit::inverted(exact.view());
    ChangesetReader again(inverse);
    std::size_t inverted = 0;
    while (again.next(change)) ++inverted;
    EXPECT_EQ(inverted, changes);
  } catch (const ChangesetError&) {
  }
  return changes;
}

// Calls visit(bytes) for every truncation and for every byte with each of its
// bits turned, all turned, and zero.
template <class Visit>
void for_each_damage(const std::string& sample, Visit&& visit) {
  for (std::size_t size = 0; size < sample.size(); ++size) visit(sample.substr(0, size));
  for (std::size_t at = 0; at < sample.size(); ++at) {
    for (int bit = 0; bit < 10; ++bit) {
      std::string damaged = sample;
      damaged[at] = bit == 9 ? '\0' : static_cast<char>(damaged[at] ^ (bit == 8 ? 0xff : 1 << bit));
      visit(damaged);
    }
  }
}

TEST(ChangesetDamage, reads_or_is_refused) {
  for (const std::string& sample : samples()) {
    ASSERT_GT(changes_or_refusal(sample), 0u);
    for_each_damage(sample, [](const std::string& damaged) { changes_or_refusal(damaged); });
  }
}

TEST(ChangesetDamage, truncation_between_two_changes_is_a_shorter_changeset) {
  const std::string sample = samples().front();
  std::size_t most = 0;
  for (std::size_t size = 0; size <= sample.size(); ++size) {
    most = std::max(most, changes_or_refusal(sample.substr(0, size)));
  }
  EXPECT_EQ(most, 3u);
}

TEST(ChangesetDamage, fold_applies_it_or_refuses_it_and_the_file_stays_sound) {
  MemoryFold fold(kSchema, "INSERT INTO t VALUES(1, 'text', x'00ff'), (2, NULL, 2.5)");
  const std::string before = fold.rows("t");
  for (const std::string& sample : samples()) {
    for_each_damage(sample, [&](const std::string& damaged) {
      const Exact exact(damaged);
      Conflicts conflicts;
      const WriteTransaction never_committed(fold.db());
      try {
        fold.fold().apply(exact.view(), conflicts);
      } catch (const ChangesetError&) {
      } catch (const SchemaMismatch&) {
      } catch (const SqliteError& error) {
        // A value that the table refuses: never damage to the file.
        EXPECT_EQ(error.code(), SQLITE_CONSTRAINT) << error.what();
      }
    });
  }
  EXPECT_EQ(fold.rows("t"), before);
  EXPECT_EQ(fold.db().query_text("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace colony
