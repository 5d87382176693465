#include "replicator/snapshot_store/snapshot_catalog.h"

#include <gtest/gtest.h>

#include <fstream>

#include "replicator/snapshot_store/directory_store.h"
#include "replicator/snapshot_store/snapshot_file.h"
#include "tests/unit/temporary_folder.h"

namespace colony::unit {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

class SnapshotCatalogTest : public testing::Test {
 protected:
  SnapshotName put(std::uint64_t position, char epoch = 'e') {
    SnapshotName name{"shop", Sequence(position), 1000, "a", 10, std::string(32, epoch)};
    std::ofstream(folder_ / "from") << "rows at " << position;
    write_snapshot_file({name.cluster, name.epoch, name.position}, folder_ / "from", folder_ / "packed", go_on);
    catalog_.put(name, folder_ / "packed", go_on);
    return name;
  }
  std::optional<SnapshotName> fetch(std::uint64_t from, std::uint64_t to) {
    return catalog_.fetch({std::string(32, 'e'), Sequence(from), Sequence(to)}, folder_ / "to", go_on,
                          [&](const SnapshotName& name, const std::string&) { rejected_.push_back(name); });
  }
  std::string fetched() const {
    std::string text;
    std::ifstream in(folder_ / "to");
    std::getline(in, text);
    return text;
  }

  const TemporaryFolder folder_;
  SnapshotCatalog catalog_{std::make_unique<DirectoryStore>(folder_ / "store"), "shop"};
  std::vector<SnapshotName> rejected_;
};

TEST_F(SnapshotCatalogTest, lists_the_colonys_own_by_position) {
  EXPECT_TRUE(catalog_.list().empty());
  const SnapshotName second = put(20), first = put(3);
  std::ofstream(folder_ / "store/notes.txt") << "of somebody";
  std::ofstream(folder_ / ("store/other" + first.text().substr(4))) << "another colony's";
  const std::vector<CatalogedSnapshot> list = catalog_.list();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, first);
  EXPECT_EQ(list[1].name, second);
}

TEST_F(SnapshotCatalogTest, fetches_the_newest_that_will_do) {
  put(3), put(20), put(30, 'f');
  EXPECT_EQ(fetch(0, 100)->position, Sequence(20));
  EXPECT_EQ(fetched(), "rows at 20");
  EXPECT_EQ(fetch(0, 19)->position, Sequence(3));
  EXPECT_FALSE(fetch(21, 100));
}

TEST_F(SnapshotCatalogTest, ignored_a_damaged_one) {
  put(3);
  const SnapshotName damaged = put(20), renamed = put(5);
  const std::string store = folder_ / "store/";
  std::filesystem::resize_file(store + damaged.text(), 60);
  SnapshotName other = renamed;
  other.position = Sequence(15);
  std::filesystem::rename(store + renamed.text(), store + other.text());
  EXPECT_EQ(fetch(0, 100)->position, Sequence(3));
  EXPECT_EQ(rejected_, (std::vector<SnapshotName>{damaged, other}));
  EXPECT_EQ(fetched(), "rows at 3");
}

TEST_F(SnapshotCatalogTest, refuses_to_keep_what_is_no_snapshot) {
  std::ofstream(folder_ / "junk") << "junk";
  const SnapshotName name{"shop", Sequence(1), 1000, "a", 10, std::string(32, 'e')};
  EXPECT_THROW(catalog_.put(name, folder_ / "junk", go_on), Error);
  EXPECT_TRUE(catalog_.list().empty());
}

TEST_F(SnapshotCatalogTest, removes) {
  catalog_.remove(put(3));
  EXPECT_TRUE(catalog_.list().empty());
}

}  // namespace
}  // namespace colony::unit
