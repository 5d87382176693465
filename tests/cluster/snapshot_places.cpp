#include "tests/cluster/snapshot_places.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "replicator/log/nats_handles.h"
#include "tests/cluster/nats_process.h"

namespace colony {

namespace {

using StreamNames = std::vector<std::string>;

std::unique_ptr<SnapshotStore> open_at(const std::string& url) { return open_snapshot_store(url, "c", "", 1); }

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "colony-place-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder: " + pattern);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

  StreamNames files(const std::string& below) const {
    StreamNames names;
    std::error_code ignored;
    for (const auto& file : std::filesystem::directory_iterator(path_ / below, ignored)) {
      names.push_back(file.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path path_;
};

class DirectoryPlace final : public SnapshotPlace {
 public:
  std::unique_ptr<SnapshotStore> open() override { return open_at((folder_.path() / "some where/x").string()); }
  // Nobody is refused who runs as root: but a file is no folder for anyone.
  std::unique_ptr<SnapshotStore> open_with_wrong_credentials() override {
    std::ofstream(folder_.path() / "file") << "x";
    return open_at((folder_.path() / "file").string());
  }
  bool stop_server() override { return false; }
  std::vector<std::string> files() override { return folder_.files("some where/x"); }

 private:
  Folder folder_;
};

class BrokerPlace final : public SnapshotPlace {
 public:
  std::unique_ptr<SnapshotStore> open() override {
    return open_snapshot_store("nats:", "c", with_credentials("T0kenOfTheTests"), 1);
  }
  std::unique_ptr<SnapshotStore> open_with_wrong_credentials() override {
    return open_snapshot_store("nats:", "c", with_credentials(kWrongSecret), 1);
  }
  bool stop_server() override {
    broker_.kill();
    return true;
  }
  // The stream's messages are what a file is elsewhere.
  std::vector<std::string> files() override {
    natsConnection* connection = nullptr;
    require_nats(natsConnection_ConnectTo(&connection, with_credentials("T0kenOfTheTests").c_str()), "operator");
    const NatsConnectionHandle connection_owner(connection);
    jsCtx* jetstream = nullptr;
    require_nats(natsConnection_JetStream(&jetstream, connection, nullptr), "operator");
    const JetStreamHandle jetstream_owner(jetstream);
    jsStreamInfo* info = nullptr;
    require_nats(js_GetStreamInfo(&info, jetstream, "OBJ_COLONY_c", nullptr, nullptr), "bucket");
    const StreamInfoHandle info_owner(info);
    return std::vector<std::string>(info->State.Msgs, "message");
  }

 private:
  std::string with_credentials(const std::string& password) const {
    return "nats://tester:" + password + "@" + broker_.url().substr(7);
  }

  NatsProcess broker_{{"--jetstream", "--user", "tester", "--pass", "T0kenOfTheTests"}};
};

}  // namespace

std::unique_ptr<SnapshotPlace> make_snapshot_place(const std::string& kind) {
  if (kind == "directory") return std::make_unique<DirectoryPlace>();
  if (kind == "nats") return std::make_unique<BrokerPlace>();
  throw std::runtime_error("no such kind of place: " + kind);
}

std::vector<std::string> snapshot_place_kinds() { return {"directory", "nats"}; }

}  // namespace colony
