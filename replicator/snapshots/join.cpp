#include "replicator/snapshots/join.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "replicator/file/staging_file.h"
#include "replicator/fold/fold.h"
#include "replicator/membership/enrollment.h"
#include "replicator/snapshot_store/snapshot_file.h"
#include "replicator/status/status.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr std::chrono::milliseconds kAskAgain{500};
constexpr std::chrono::milliseconds kLookAtStop{50};

class Joining {
 public:
  Joining(const JoinRequest& request, Log& log, SnapshotCatalog& catalog,
          const std::function<bool(const JoinProgress&)>& on_progress)
      : request_(request),
        log_(log),
        catalog_(catalog),
        on_progress_(on_progress),
        staging_(request.path + "-colony-join", 0600) {}

  void run() {
    std::optional<SnapshotName> name;
    while (!(name = fetch())) pause();
    COLONY_STEP("join.fetched");
    make_member();
    spdlog::info("joined from a snapshot position={} made={} by={} store={}", name->position.value(),
                 utc_text(name->made_s), name->node, catalog_.url());
  }

 private:
  void tell(const JoinProgress& progress) const {
    if (!on_progress_(progress)) throw Interrupted();
  }

  void pause() const {
    for (auto waited = kLookAtStop; waited <= kAskAgain; waited += kLookAtStop) {
      std::this_thread::sleep_for(kLookAtStop);
      tell(waiting_);
    }
  }

  // Nothing if it cannot be done yet.
  std::optional<SnapshotName> fetch() {
    try {
      const LogInfo info = log_.info();
      const Sequence from(info.first.value() > 0 ? info.first.value() - 1 : 0);
      const auto name = catalog_.fetch(
          {info.epoch, from, info.last}, staging_.path(),
          [this](std::uint64_t done, std::uint64_t total) {
            tell({"", done, total});
            return true;
          },
          [](const SnapshotName& rejected, const std::string& why) {
            spdlog::warn("ignored a damaged snapshot name={} why=\"{}\"", rejected.text(), why);
          });
      if (name) return name;
      waiting_.waiting_for = "a snapshot of colony " + request_.cluster + " in " + catalog_.url() +
                             ": one of its nodes must run, and will make one";
    } catch (const LogUnavailable& error) {
      waiting_.waiting_for = error.what();
    } catch (const DiskRefusal& refusal) {
      waiting_.waiting_for = std::string("room: ") + refusal.what();
    } catch (const NoSuchLog&) {
      waiting_.waiting_for = "colony " + request_.cluster +
                             " to begin: this broker has no log of it yet. Its first "
                             "node is made with colony init";
    }
    return std::nullopt;
  }

  void check_name_is_free(NodeFile& file) const {
    const auto origins = file.origins();
    const auto holder = origins.find(request_.node);
    if (holder == origins.end()) return;
    throw Error("the name " + request_.node + " in colony " + request_.cluster + " belongs to " + holder->second.host +
                ":" + holder->second.path + " already: choose another one");
  }

  void make_member() const {
    {
      Database db = open_for_fold(staging_.path());
      install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
      upgrade_layout(db);
      NodeFile file(db);
      check_name_is_free(file);
      Home home = home_of(staging_.path());
      home.path =
          (std::filesystem::path(home.path).parent_path() / std::filesystem::path(request_.path).filename()).string();
      if (db.query_text("PRAGMA journal_mode = WAL") != "wal")
        throw Error(staging_.path() + " cannot be put into WAL mode");
      COLONY_STEP("join.write_ahead_log_set");
      WriteTransaction transaction(db);
      file.set_identity(request_.node, new_incarnation(), home);
      set_capture_mode(db, request_.capture);
      COLONY_STEP("join.identity_written");
      transaction.commit();
      COLONY_STEP("join.identity_committed");
    }
    COLONY_STEP("join.closed");
    staging_.finish_as(request_.path);
    COLONY_STEP("join.in_place");
  }

  const JoinRequest& request_;
  Log& log_;
  SnapshotCatalog& catalog_;
  const std::function<bool(const JoinProgress&)>& on_progress_;
  const StagingFile staging_;
  JoinProgress waiting_;
};

}  // namespace

void join(const JoinRequest& request, Log& log, SnapshotCatalog& catalog,
          const std::function<bool(const JoinProgress&)>& on_progress) {
  if (!is_valid_name(request.cluster) || !is_valid_name(request.node)) {
    throw Error("the names of colonies and nodes are 1 to 32 of A-Z a-z 0-9 _ and -");
  }
  const std::unique_ptr<Status> lock = Status::beside(request.path);
  if (access(request.path.c_str(), F_OK) == 0) return;  // somebody else has joined with it meanwhile
  Joining(request, log, catalog, on_progress).run();
}

}  // namespace colony
