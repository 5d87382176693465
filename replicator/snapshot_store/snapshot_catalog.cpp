#include "replicator/snapshot_store/snapshot_catalog.h"

#include <unistd.h>

#include <algorithm>

#include "replicator/snapshot_store/snapshot_file.h"

namespace colony {

SnapshotCatalog::SnapshotCatalog(std::unique_ptr<SnapshotStore> store, std::string cluster)
    : store_(std::move(store)), cluster_(std::move(cluster)) {}

std::vector<CatalogedSnapshot> SnapshotCatalog::list() {
  std::vector<CatalogedSnapshot> snapshots;
  for (const StoredObject& object : store_->list()) {
    std::optional<SnapshotName> name = parse_snapshot_name(object.name);
    if (name && name->cluster == cluster_) snapshots.push_back({std::move(*name), object.bytes});
  }
  std::sort(snapshots.begin(), snapshots.end(), [](const CatalogedSnapshot& a, const CatalogedSnapshot& b) {
    return std::tie(a.name.position, a.name.made_s) < std::tie(b.name.position, b.name.made_s);
  });
  return snapshots;
}

void SnapshotCatalog::unpack(const SnapshotName& name, const std::string& to, const SnapshotStore::GoOn& go_on) {
  SnapshotUnpacker unpacker(to, [&](const SnapshotHeader& header) {
    if (header.cluster != name.cluster || header.epoch != name.epoch || header.position != name.position) {
      throw SnapshotDamaged("it is another one than its name says");
    }
  });
  store_->get(
      name.text(), [&](std::string_view bytes) { unpacker.write(bytes); }, go_on);
  unpacker.finish();
}

void SnapshotCatalog::put(const SnapshotName& name, const std::string& path, const SnapshotStore::GoOn& go_on) {
  store_->put(name.text(), path, go_on);
  try {
    unpack(name, "", go_on);
  } catch (const SnapshotDamaged& damage) {
    store_->remove(name.text());
    throw Error("a snapshot did not come back from " + store_->url() + " as it was stored: " + damage.what());
  }
}

std::string SnapshotCatalog::damage(const SnapshotName& name, const SnapshotStore::GoOn& go_on) {
  try {
    unpack(name, "", go_on);
    return {};
  } catch (const LogUnavailable&) {
    throw;
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    return error.what();
  }
}

std::optional<SnapshotName> SnapshotCatalog::fetch(const Wanted& wanted, const std::string& to,
                                                   const SnapshotStore::GoOn& go_on, const OnRejected& on_rejected) {
  std::vector<CatalogedSnapshot> snapshots = list();
  for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot) {
    const SnapshotName& name = snapshot->name;
    if (name.epoch != wanted.epoch || name.position < wanted.from || name.position > wanted.to) continue;
    if (!wanted.not_by.empty() && name.node == wanted.not_by) continue;
    try {
      unpack(name, to, go_on);
      return name;
    } catch (const LogUnavailable&) {
      unlink(to.c_str());
      throw;
    } catch (const Interrupted&) {
      unlink(to.c_str());
      throw;
    } catch (const DiskRefusal&) {
      unlink(to.c_str());
      throw;
    } catch (const Error& error) {
      unlink(to.c_str());
      on_rejected(name, error.what());
    }
  }
  return std::nullopt;
}

}  // namespace colony
