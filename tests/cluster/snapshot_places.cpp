#include "tests/cluster/snapshot_places.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

#include "replicator/broker/nats_handles.h"
#include "replicator/snapshot_store/store_url.h"
#include "tests/cluster/nats_process.h"
#include "tests/cluster/server_process.h"

namespace colony {

void SnapshotPlace::add_file(const std::string&) { throw std::logic_error("this place has no files"); }
int SnapshotPlace::mode_of(const std::string&) { throw std::logic_error("this place has no files"); }

namespace {

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

  std::vector<std::string> files(const std::string& below) const {
    std::vector<std::string> names;
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

// Variables of the environment, gone with the object.
class Variables {
 public:
  explicit Variables(std::map<std::string, std::string> values) : values_(std::move(values)) {
    for (const auto& [name, value] : values_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : values_) unsetenv(name.c_str());
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

 private:
  const std::map<std::string, std::string> values_;
};

std::vector<std::string> python_server(const std::string& script, std::vector<std::string> arguments) {
  std::vector<std::string> command = {"/usr/bin/python3", "-B", std::string(COLONY_TEST_SERVERS) + "/" + script};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

class WebdavPlace final : public SnapshotPlace {
 public:
  std::unique_ptr<SnapshotStore> open() override {
    const Variables variables({{"COLONY_STORE_USER", "tester"}, {"COLONY_STORE_PASSWORD", "T0ken&/"}});
    return open_at("webdav://" + address());
  }
  std::unique_ptr<SnapshotStore> open_with_wrong_credentials() override {
    return open_at("webdav://tester:" + std::string(kWrongSecret) + "@" + address());
  }
  bool stop_server() override {
    server_.kill();
    return true;
  }
  std::vector<std::string> files() override { return folder_.files("some where/x"); }
  void add_file(const std::string& name) override { std::ofstream(folder_.path() / "some where/x" / name) << "x"; }

 private:
  std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()) + "/some%20where/x/"; }

  Folder folder_;
  ServerProcess server_{python_server("webdav_server.py", {folder_.path(), "tester", "T0ken&/"}), "", true};
};

class S3Place final : public SnapshotPlace {
 public:
  std::unique_ptr<SnapshotStore> open() override { return open_with("S3cret/+="); }
  std::unique_ptr<SnapshotStore> open_with_wrong_credentials() override { return open_with(kWrongSecret); }
  bool stop_server() override {
    server_.kill();
    return true;
  }
  std::vector<std::string> files() override { return folder_.files(""); }

 private:
  std::unique_ptr<SnapshotStore> open_with(const std::string& secret) const {
    const Variables variables({{"AWS_ACCESS_KEY_ID", "AKTEST"},
                               {"AWS_SECRET_ACCESS_KEY", secret},
                               {"AWS_SESSION_TOKEN", "T0ken"},
                               {"AWS_REGION", "eu-test-1"}});
    return open_at("s3://bucket/some%20where/x?endpoint=http://127.0.0.1:" + std::to_string(server_.port()));
  }

  Folder folder_;
  ServerProcess server_{python_server("s3_server.py", {folder_.path(), "bucket", "eu-test-1", "AKTEST", "S3cret/+="}),
                        "", true};
};

std::string word_in(const std::filesystem::path& file, int number) {
  std::ifstream in(file);
  std::string word;
  for (int i = 0; i <= number; ++i) in >> word;
  return word;
}

// A real sshd with keys and a configuration of its own, as whoever runs the tests.
class SftpPlace final : public SnapshotPlace {
 public:
  SftpPlace() {
    for (const char* key : {"host", "user", "stranger"}) {
      run_program({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in(key)});
    }
    std::filesystem::copy(in("user.pub"), in("authorized"));
    // A server that root starts wants this one, and nothing in it.
    if (geteuid() == 0) mkdir("/run/sshd", 0755);
    // Somebody else may have taken the port meanwhile.
    for (int attempt = 0; attempt < 5 && !is_up_; ++attempt) start();
    if (!is_up_) throw std::runtime_error("sshd does not come up: install it with deploy/install.sh --test");
    std::ofstream(in("known")) << "[127.0.0.1]:" << port_ << " " << word_in(in("host.pub"), 0) << " "
                               << word_in(in("host.pub"), 1) << "\n";
  }

  std::unique_ptr<SnapshotStore> open() override { return open_with("user"); }
  std::unique_ptr<SnapshotStore> open_with_wrong_credentials() override { return open_with("stranger"); }
  bool stop_server() override {
    server_->kill();
    return true;
  }
  std::vector<std::string> files() override { return folder_.files("some where/x"); }
  void add_file(const std::string& name) override { std::ofstream(in("some where/x/" + name)) << "x"; }
  int mode_of(const std::string& name) override {
    return static_cast<int>(std::filesystem::status(in("some where/x/" + name)).permissions());
  }

 private:
  std::string in(const std::string& name) const { return folder_.path() / name; }

  void start() {
    port_ = free_port();
    std::ofstream(in("config")) << "ListenAddress 127.0.0.1:" << port_ << "\nHostKey " << in("host")
                                << "\nAuthorizedKeysFile " << in("authorized")
                                << "\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
                                << "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
                                << "PidFile none\nSubsystem sftp internal-sftp\n";
    server_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{"/usr/sbin/sshd", "-D", "-e", "-f", in("config")}, in("log"), false);
    is_up_ = await_port(port_, *server_);
  }

  std::unique_ptr<SnapshotStore> open_with(const std::string& key) const {
    return open_at("sftp://127.0.0.1:" + std::to_string(port_) + percent_encoded(in("some where/x"), "/") +
                   "?known_hosts=" + in("known") + "&key=" + in(key));
  }

  Folder folder_;
  int port_ = 0;
  bool is_up_ = false;
  std::unique_ptr<ServerProcess> server_;
};

}  // namespace

std::unique_ptr<SnapshotPlace> make_snapshot_place(const std::string& kind) {
  if (kind == "directory") return std::make_unique<DirectoryPlace>();
  if (kind == "nats") return std::make_unique<BrokerPlace>();
  if (kind == "webdav") return std::make_unique<WebdavPlace>();
  if (kind == "s3") return std::make_unique<S3Place>();
  if (kind == "sftp") return std::make_unique<SftpPlace>();
  throw std::runtime_error("no such kind of place: " + kind);
}

std::vector<std::string> snapshot_place_kinds() { return {"directory", "nats", "webdav", "s3", "sftp"}; }

}  // namespace colony
