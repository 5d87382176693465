#include "replicator/sidecar/sidecar.h"

#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include "replicator/apply/applier_reports.h"
#include "replicator/apply/proof_worker.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/broker/server_urls.h"
#include "replicator/cluster/heartbeat_sender.h"
#include "replicator/file/file_health.h"
#include "replicator/file/file_watch.h"
#include "replicator/membership/enrollment.h"
#include "replicator/membership/file_claim.h"
#include "replicator/publish/publisher.h"
#include "replicator/sidecar/applier_loop.h"
#include "replicator/snapshot_store/snapshot_place.h"
#include "replicator/snapshots/housekeeper.h"
#include "replicator/status/lock_watch.h"
#include "replicator/status/watchdog.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLookAtOutboxMin = 1ms;
constexpr std::chrono::milliseconds kLookAtOutboxMax = 2s;
constexpr auto kBrokerRetry = 100ms;
constexpr auto kErrorRetry = 3s;
constexpr auto kStopWait = 1s;
constexpr auto kWatchEvery = 1s;
constexpr int kLoops = 5;  // applier, publisher, heartbeat, checker, housekeeper

// SQLite follows symbolic links before it names the write-ahead log.
SidecarSettings resolved(SidecarSettings settings) {
  settings.database = home_of(settings.database).path;
  return settings;
}

std::shared_ptr<const SigningKey> read_key(const std::string& file) {
  return file.empty() ? nullptr : std::make_shared<const SigningKey>(SigningKey::from_file(file));
}

}  // namespace

class Sidecar::Implementation {
 public:
  explicit Implementation(SidecarSettings settings)
      : signals_(loop_, SIGTERM, SIGINT),
        watch_timer_(loop_),
        settings_(resolved(std::move(settings))),
        locks_(settings_.database),
        identity_(claim_file(settings_.database)),
        home_(home_of(settings_.database)),
        // At once: the applier may be waiting for something.
        file_health_(loop_, settings_.database,
                     [this](const std::string& trouble) { status_->set_state(State::kHalted, trouble); }),
        key_(read_key(settings_.key_file)),
        status_(Status::beside(settings_.database)),
        watchdog_(progress_, *status_),
        reports_(*status_),
        log_({.broker = settings_.broker,
              .cluster = identity_.cluster,
              .node = identity_.node,
              .replicas = settings_.replicas,
              .must_exist = has_met_log(settings_.database),
              .client_name = "colony " + identity_.node}),
        publisher_(settings_.database, log_, permit_,
                   {.hello = {home_.host, home_.path, COLONY_VERSION},
                    .key = key_,
                    .flushes = settings_.flushes_before_send,
                    .loop_progress = &progress_.publisher}),
        proofs_(
            settings_.database, [this](ProofEntry proof) { publisher_.enqueue(std::move(proof)); }, progress_.proofs),
        checker_(settings_.database, {.every = std::chrono::seconds(settings_.check_every_s)},
                 std::chrono::steady_clock::now()),
        heartbeat_sender_(settings_.database, about_me(), *status_, divergence_, progress_.heartbeat, cluster_status(),
                          [this] { loops_.ended(); }),
        applier_reports_(permit_, *status_, listeners()),
        applier_(settings_.database, log_, applier_reports_, applier_options()),
        snapshot_catch_up_({settings_.database, identity_.cluster, settings_.broker, settings_.snapshot_url,
                            [this] { return !loops_.stopping(); }, &progress_.applier},
                           log_, applier_, reports_),
        applier_loop_(applier_, snapshot_catch_up_, permit_, reports_, file_health_, loops_),
        watch_(
            loop_, settings_.database, [this] { on_commit(); }, [this] { file_health_.look(); }) {
    status_->set_key_file(settings_.key_file);
    status_->set_broker(without_credentials(settings_.broker.urls), access_text(settings_.broker));
  }

  void run() {
    COLONY_STEP("sidecar.ready");
    spdlog::info("node={} cluster={} file={} broker={} version={}", identity_.node, identity_.cluster, home_.path,
                 without_credentials(settings_.broker.urls), COLONY_VERSION);
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) stop();
    });
    keep_watch();
    std::optional<Housekeeper> housekeeper;
    if (!settings_.snapshot_url.empty()) housekeeper.emplace(housekeeping());
    std::thread applying([this] { applier_loop_.run(), loops_.ended(); });
    std::thread publishing([this] { publish(), loops_.ended(); });
    std::thread checking([this] { check(), loops_.ended(); });
    heartbeat_sender_.start();
    file_health_.look();
    loop_.run();
    if (file_health_.must_not_close()) leave_at_once();
    std::thread closing([&] { housekeeper.reset(), loops_.ended(); });
    // The library may still be trying to reach a server, which cannot be cut short.
    if (!loops_.await_ends(kStopWait)) leave_at_once();
    closing.join();
    applying.join();
    publishing.join();
    checking.join();
    spdlog::info("node={} stopped", identity_.node);
  }

 private:
  Applier::Options applier_options() {
    Applier::Options options;
    options.home = home_;
    if (key_) options.key = key_->public_key();
    options.asks_for_base = true;
    options.go_on_waiting = [this](int) { return !loops_.stopping() && !file_health_.is_unwell(); };
    return options;
  }

  ApplierReports::Listeners listeners() {
    return {.loop_progress = &progress_.applier,
            .divergence = &divergence_,
            .on_barrier = [this](const BarrierEntry& barrier, Sequence at) { proofs_.answer(barrier, at); },
            .on_question = [this](const QuestionEntry& question, Sequence at) { proofs_.answer(question, at); }};
  }

  HousekeepingSettings housekeeping() {
    return {.database = settings_.database,
            .cluster = identity_.cluster,
            .node = identity_.node,
            .broker = settings_.broker,
            .replicas = settings_.replicas,
            .snapshot_url = settings_.snapshot_url,
            .retention = settings_.retention,
            .is_sound = [this] { return status_->view().state == State::kRunning; },
            .on_trouble = [this](const std::string& trouble) { status_->set_trouble(trouble); },
            .gone_after_s = settings_.gone_after_s,
            .loop_progress = &progress_.housekeeper};
  }

  ClusterStatusSettings cluster_status() const {
    return {.broker = settings_.broker,
            .cluster = identity_.cluster,
            .replicas = settings_.replicas,
            .client_name = "colony " + identity_.node + " board"};
  }

  std::string snapshots() const { return snapshot_place(settings_.snapshot_url, identity_.cluster, settings_.broker); }

  Heartbeat about_me() const {
    Heartbeat heartbeat;
    heartbeat.node = identity_.node;
    heartbeat.incarnation = identity_.incarnation;
    heartbeat.version = COLONY_VERSION;
    heartbeat.home = home_;
    heartbeat.snapshots = snapshots();
    heartbeat.gone_after = std::chrono::seconds(settings_.gone_after_s);
    return heartbeat;
  }

  void stop() {
    loops_.stop();
    log_.interrupt();
    heartbeat_sender_.stop();
    applier_.interrupt();
    checker_.interrupt();
    permit_.work();
    loop_.stop();
  }

  // The write-ahead log tells of a commit when its pages are written, and SQLite
  // shows the commit to others only after that, by a disk's flush later perhaps.
  // So when there is nothing to send yet, it looks again, ever more rarely.
  void publish() {
    std::chrono::milliseconds look_again = kLookAtOutboxMin;
    while (!loops_.stopping()) {
      try {
        const bool go_on = publisher_.step() || permit_.wait_for_work(look_again);
        look_again = go_on ? kLookAtOutboxMin : std::min(look_again * 2, kLookAtOutboxMax);
      } catch (const Interrupted&) {
        return;
      } catch (const LogUnavailable&) {
        loops_.pause(kBrokerRetry);  // the applier reports it
      } catch (const std::exception& error) {
        spdlog::warn("cannot publish error=\"{}\"", error.what());
        loops_.pause(kErrorRetry);
      }
    }
  }

  void check() {
    while (!loops_.stopping()) {
      try {
        const bool is_well = status_->view().state == State::kRunning && !file_health_.is_unwell();
        const auto wall = std::chrono::system_clock::now().time_since_epoch();
        auto question = is_well
                            ? checker_.next(std::chrono::steady_clock::now(), std::chrono::nanoseconds(wall).count())
                            : std::nullopt;
        if (question) publisher_.enqueue(std::move(*question));
      } catch (const std::exception& error) {
        if (!loops_.stopping()) spdlog::warn("cannot ask whether the nodes are equal error=\"{}\"", error.what());
        loops_.pause(kErrorRetry);
      }
      loops_.pause(checker_.rest());
    }
  }

  // Once a second, of what lasts too long.
  void keep_watch() {
    locks_.look(status_->view(), std::chrono::steady_clock::now());
    watchdog_.look(std::chrono::steady_clock::now());
    watch_timer_.expires_after(kWatchEvery);
    watch_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) keep_watch();
    });
  }

  void on_commit() {
    permit_.work();
    if (file_health_.is_unwell()) file_health_.look();
  }

  // A sidecar may be killed at any instant, so it may also leave.
  [[noreturn]] void leave_at_once() {
    spdlog::info("node={} stopped", identity_.node);
    spdlog::shutdown();
    std::_Exit(EXIT_SUCCESS);
  }

  // First, so that a signal that comes while the rest is made is kept for run().
  boost::asio::io_context loop_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer watch_timer_;
  SidecarSettings settings_;
  LockWatch locks_;  // before whatever has the database open
  Identity identity_;
  Home home_;
  FileHealth file_health_;
  std::shared_ptr<const SigningKey> key_;
  std::unique_ptr<Status> status_;
  LoopProgresses progress_;
  Watchdog watchdog_;
  StateReports reports_;
  PublishPermit permit_;
  Loops loops_{kLoops};
  JetStreamLog log_;
  Publisher publisher_;
  ProofWorker proofs_;
  DivergenceDetector divergence_;
  Checker checker_;
  HeartbeatSender heartbeat_sender_;
  ApplierReports applier_reports_;
  Applier applier_;
  SnapshotCatchUp snapshot_catch_up_;
  ApplierLoop applier_loop_;
  FileWatch watch_;
};

Sidecar::Sidecar(SidecarSettings settings) : implementation_(std::make_unique<Implementation>(std::move(settings))) {}
Sidecar::~Sidecar() = default;
void Sidecar::run() { implementation_->run(); }

}  // namespace colony
