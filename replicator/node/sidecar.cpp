#include "replicator/node/sidecar.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

#include "replicator/log/jetstream_log.h"
#include "replicator/log/server_urls.h"
#include "replicator/node/adoption.h"
#include "replicator/node/applier.h"
#include "replicator/node/disk_advice.h"
#include "replicator/node/enrollment.h"
#include "replicator/node/file_keeper.h"
#include "replicator/node/file_watch.h"
#include "replicator/node/heartbeat.h"
#include "replicator/node/housekeeper.h"
#include "replicator/node/lock_watch.h"
#include "replicator/node/proof_worker.h"
#include "replicator/node/publisher.h"
#include "replicator/node/status.h"
#include "replicator/node/unfinished_file.h"
#include "replicator/node/watchdog.h"
#include "replicator/snapshot/snapshot_shelf.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kFetchWait = 2s;
constexpr auto kLookAgainMin = 1ms;
constexpr auto kLookAgainAtLog = 5s;
constexpr auto kBrokerRetryMin = 100ms;
constexpr auto kBrokerRetryMax = 2s;
constexpr auto kHaltRetry = 3s;
constexpr auto kStopWait = 1s;
constexpr auto kLookAtFile = 1s;
constexpr auto kLookAtUnwellFile = 200ms;
constexpr auto kReportEvery = 10s;
constexpr auto kWatchEvery = 1s;
constexpr auto kReportUntrusted = 10min;

// The identity, after making sure that this is not the copy of a file that
// still stands where it was made.
Identity claim(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadWrite);
  upgrade_layout(db);
  NodeFile file(db);
  if (file.identity().node.empty()) {
    throw Error(path + " is a snapshot that was never made a node's: remove it, and join with --cluster and --node");
  }
  const Home here = home_of(path);
  const Home home = file.home();
  if (home == here) return file.identity();
  if (home.host == here.host && access(home.path.c_str(), R_OK) == 0) {
    try {
      Database other = open_database(home.path, Database::Mode::kReadOnly);
      if (has_layout(other) && NodeFile(other).identity().incarnation == file.identity().incarnation) {
        throw Error(path + " is a copy of node " + file.identity().node + "'s file " + home.path +
                    ": give it a name of its own with colony init " + path + " --cluster " + file.identity().cluster +
                    " --node NEW");
      }
    } catch (const SqliteError&) {
      // Whatever stands there now is not that file.
    }
  }
  spdlog::info("moved from={}:{} to={}:{}", home.host, home.path, here.host, here.path);
  WriteTransaction transaction(db);
  file.set_home(here);
  transaction.commit();
  return file.identity();
}

// SQLite follows symbolic links before it names the write-ahead log.
SidecarSettings resolved(SidecarSettings settings) {
  settings.database = home_of(settings.database).path;
  return settings;
}

std::shared_ptr<const SigningKey> read_key(const std::string& file) {
  return file.empty() ? nullptr : std::make_shared<const SigningKey>(SigningKey::from_file(file));
}

bool has_met_log(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadOnly);
  return !NodeFile(db).epoch().empty();
}

void check_write_ahead_log(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadWrite);
  if (const std::string mode = db.query_text("PRAGMA journal_mode"); mode != "wal") {
    throw Error(path + " is in journal mode " + mode + ", and Colony needs WAL: run colony init again");
  }
}

// Restores capture on tables that lost their guards because the app made them
// anew, as SQLite's own recipe for ALTER TABLE does.
void check_guards(const std::string& path) {
  Database db = open_database(path, Database::Mode::kReadWrite);
  for (const std::string& table : replicated_tables(db)) {
    Statement exists(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1");
    exists.bind(1, table);
    if (exists.step() && !has_guards(db, table)) {
      spdlog::warn(
          "table={} was made anew and had lost its capture; restored. What was written in between is not "
          "replicated: run colony verify",
          table);
      WriteTransaction transaction(db);
      create_guards(db, table);
      transaction.commit();
    }
  }
}

}  // namespace

class Sidecar::Implementation {
 public:
  explicit Implementation(SidecarSettings settings)
      : signals_(loop_, SIGTERM, SIGINT),
        watch_timer_(loop_),
        settings_(resolved(std::move(settings))),
        locks_(settings_.database),
        identity_((check_write_ahead_log(settings_.database), claim(settings_.database))),
        home_(home_of(settings_.database)),
        keeper_(settings_.database),
        look_again_(loop_),
        key_(read_key(settings_.key_file)),
        status_(Status::beside(settings_.database)),
        watchdog_(pulses_, *status_),
        log_({.broker = settings_.broker,
              .cluster = identity_.cluster,
              .node = identity_.node,
              .replicas = settings_.replicas,
              .must_exist = has_met_log(settings_.database),
              .client_name = "colony " + identity_.node}),
        publisher_(settings_.database, log_, progress_,
                   {.hello = {home_.host, home_.path, COLONY_VERSION}, .key = key_, .pulse = &pulses_.publisher}),
        proofs_(
            settings_.database, [this](ProofEntry proof) { publisher_.enqueue(std::move(proof)); }, pulses_.proofs),
        heartbeat_(settings_.database, about_me(), *status_, witness_, pulses_.heartbeat,
                   {.broker = settings_.broker,
                    .cluster = identity_.cluster,
                    .replicas = settings_.replicas,
                    .client_name = "colony " + identity_.node + " board"},
                   [this] { ended(); }),
        applier_(settings_.database, log_, progress_, *status_, applier_options()),
        watch_(
            loop_, settings_.database, [this] { on_commit(); }, [this] { look_at_file(); }) {
    status_->set_key_file(settings_.key_file);
    status_->set_broker(without_credentials(settings_.broker.urls), access_text(settings_.broker));
    check_guards(settings_.database);
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
    std::thread applying([this] { apply(), ended(); });
    std::thread publishing([this] { publish(), ended(); });
    heartbeat_.start();
    look_at_file();
    loop_.run();
    if (must_not_close_) leave_at_once();
    std::thread closing([&] { housekeeper.reset(), ended(); });
    // The library may still be trying to reach a server, which cannot be cut short.
    if (!await_ends()) leave_at_once();
    closing.join();
    applying.join();
    publishing.join();
    spdlog::info("node={} stopped", identity_.node);
  }

 private:
  Applier::Options applier_options() {
    Applier::Options options;
    options.home = home_;
    if (key_) options.key = key_->public_key();
    options.witness = &witness_;
    options.pulse = &pulses_.applier;
    options.go_on_waiting = [this](int) { return !stopping_ && !file_is_unwell_; };
    options.on_barrier = [this](const BarrierEntry& barrier, Sequence position) { proofs_.answer(barrier, position); };
    return options;
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
            .pulse = &pulses_.housekeeper};
  }

  Beat about_me() const {
    Beat beat;
    beat.node = identity_.node;
    beat.incarnation = identity_.incarnation;
    beat.version = COLONY_VERSION;
    beat.home = home_;
    beat.gone_after = std::chrono::seconds(settings_.gone_after_s);
    return beat;
  }

  void stop() {
    stopping_ = true;
    log_.interrupt();
    heartbeat_.stop();
    applier_.interrupt();
    pause_ended_.notify_all();
    progress_.work();
    loop_.stop();
  }

  void ended() {
    const std::lock_guard lock(pause_mutex_);
    --loops_;
    pause_ended_.notify_all();
  }

  // False if the loops have not ended in time.
  bool await_ends() {
    std::unique_lock lock(pause_mutex_);
    return pause_ended_.wait_for(lock, kStopWait, [this] { return loops_ == 0; });
  }

  // Waits, unless the sidecar is to stop.
  void pause(std::chrono::steady_clock::duration time) {
    if (time <= time.zero()) return;
    std::unique_lock lock(pause_mutex_);
    pause_ended_.wait_for(lock, time, [this] { return stopping_.load(); });
  }

  // Says it once, until something else is to be said.
  void report(State state, const std::string& why) {
    status_->set_state(state, why);
    if (why == reported_) return;
    reported_ = why;
    spdlog::log(state == State::kHalted ? spdlog::level::err : spdlog::level::warn, "state={} {}", to_string(state),
                why);
  }

  // Every ten seconds, and in the end if it took that long.
  void report_catching_up() {
    const StatusView view = status_->view();
    const auto now = std::chrono::steady_clock::now();
    if (view.state != State::kCatchingUp) {
      if (catching_up_reported_) {
        spdlog::info("caught up position={} after_s={:.0f}", applier_.position().value(),
                     std::chrono::duration<double>(now - *catching_up_since_).count());
      }
      catching_up_since_.reset();
      catching_up_reported_.reset();
      return;
    }
    if (!catching_up_since_) catching_up_since_ = now;
    if (now - catching_up_reported_.value_or(*catching_up_since_) < kReportEvery) return;
    catching_up_reported_ = now;
    spdlog::info("catching up position={} of={} entries_per_s={:.0f}", applier_.position().value(),
                 view.log_head.value(), view.catching_up.entries_per_s);
  }

  // It reads, and is not to send.
  void report_mute() {
    const StatusView view = status_->view();
    if (view.state != State::kHalted || view.message == reported_) return;
    reported_ = view.message;
    spdlog::error("state={} {}", to_string(view.state), view.message);
  }

  // At once, and then how many there were: whoever sends them sends many.
  void report_untrusted() {
    const std::uint64_t count = status_->view().untrusted;
    const auto now = std::chrono::steady_clock::now();
    if (count == untrusted_reported_ || (untrusted_reported_ > 0 && now - untrusted_reported_at_ < kReportUntrusted)) {
      return;
    }
    untrusted_reported_ = count;
    untrusted_reported_at_ = now;
    spdlog::warn(
        "passed over entries that are unsigned or wrongly signed count={}: somebody else writes to the log, or a node "
        "runs without its key",
        count);
  }

  void apply_or_take_new_base() {
    try {
      const bool moved = applier_.step(kFetchWait);
      look_again_at_log(moved);
    } catch (const LogCut& cut) {
      take_new_base(cut);
    } catch (const LogReplaced& replaced) {
      take_heir(replaced);
    }
  }

  // Who is given entries reads the very log that takes them.
  void look_again_at_log(bool moved) {
    const auto now = std::chrono::steady_clock::now();
    if (!moved && now - looked_at_log_ < kLookAgainAtLog) return;
    looked_at_log_ = now;
    if (!moved) applier_.look_again();
  }

  // The colony has gone on with a new log, by `colony recover`: it begins with a
  // snapshot. One that was refused once is not fetched again.
  void take_heir(const LogReplaced& replaced) {
    if (settings_.snapshot_url.empty()) throw Halt(replaced.what());
    SnapshotShelf shelf(open_snapshot_store(settings_.snapshot_url, identity_.cluster, settings_.broker, 1),
                        identity_.cluster);
    const LogInfo info = log_.info();
    std::string newest;
    for (const ShelvedSnapshot& snapshot : shelf.list()) {
      if (snapshot.name.epoch == info.epoch) newest = snapshot.name.text();
    }
    if (newest.empty()) throw Halt(replaced.what());
    if (refused_heir_ && refused_heir_->first == newest) throw Halt(refused_heir_->second);
    const UnfinishedFile base(settings_.database + "-colony-base", mode_of(settings_.database));
    const auto name = fetch_base(shelf, {info.epoch, Sequence(info.first.value() - 1), info.last}, base);
    if (!name) throw Halt(replaced.what());
    report(State::kCatchingUp, "the colony has gone on with a new log: taking its snapshot from " + shelf.url());
    check_history(base.path(), *name);
    try {
      applier_.adopt(base.path());
    } catch (const NoHeir& refusal) {
      refused_heir_ = {name->text(), refusal.what()};
      throw;
    }
    spdlog::info("went on with the log that colony recover has begun epoch={} after={} position={} by={}", info.epoch,
                 replaced.former_epoch(), name->position.value(), name->node);
  }

  std::optional<SnapshotName> fetch_base(SnapshotShelf& shelf, const SnapshotShelf::Wanted& wanted,
                                         const UnfinishedFile& base) {
    return shelf.fetch(
        wanted, base.path(), [this](std::uint64_t, std::uint64_t) { return !stopping_; },
        [](const SnapshotName& rejected, const std::string& why) {
          spdlog::warn("passed over a damaged snapshot name={} why=\"{}\"", rejected.text(), why);
        });
  }

  // The log was cut while this node was away: it goes on from a snapshot.
  void take_new_base(const LogCut& cut) {
    if (settings_.snapshot_url.empty()) throw Halt(std::string(cut.what()) + ", and --snapshots is none");
    SnapshotShelf shelf(open_snapshot_store(settings_.snapshot_url, identity_.cluster, settings_.broker, 1),
                        identity_.cluster);
    report(State::kCatchingUp, std::string(cut.what()) + ": taking a snapshot from " + shelf.url());
    const LogInfo info = log_.info();
    const UnfinishedFile base(settings_.database + "-colony-base", mode_of(settings_.database));
    const Sequence reaches_log(info.first.value() - 1);
    const auto name =
        fetch_base(shelf, {info.epoch, std::max(applier_.position().next(), reaches_log), info.last}, base);
    if (!name) {
      throw Halt(
          std::string(cut.what()) + ", and " + shelf.url() +
          " has no snapshot that goes beyond them: wait until a node has made one, or run colony snapshot there");
    }
    COLONY_STEP("adoption.fetched");
    check_history(base.path(), *name);
    applier_.adopt(base.path());
    spdlog::info("took a snapshot as the new base position={} made={} by={}", name->position.value(),
                 utc_text(name->made_s), name->node);
  }

  // A snapshot of a log that has lost its past since has the same epoch, and another
  // entry at its position.
  void check_history(const std::string& base, const SnapshotName& name) {
    Database db(base, Database::Mode::kReadOnly);
    const std::optional<Message> entry = log_.read(name.position);
    if (!entry || message_hash(entry->data) == NodeFile(db).position_hash()) return;
    throw Halt("the newest snapshot, at " + std::to_string(name.position.value()) +
               ", is of another past than the log has: the broker has lost entries. Give it its former store back");
  }

  void apply() {
    std::chrono::milliseconds broker_retry = kBrokerRetryMin;
    while (!stopping_) {
      try {
        if (file_is_unwell_) throw Halt(file_trouble());
        apply_or_take_new_base();
        broker_retry = kBrokerRetryMin;
        report_catching_up();
        report_untrusted();
        report_mute();
        pause(applier_.rest());
        if (!reported_.empty() && status_->view().state == State::kRunning) {
          reported_.clear();
          spdlog::info("state=running position={}", applier_.position().value());
        }
      } catch (const Interrupted&) {
        return;
      } catch (const LogUnavailable& error) {
        report(State::kWaitingForBroker, error.what());
        pause(broker_retry);
        broker_retry = std::min<std::chrono::milliseconds>(broker_retry * 2, kBrokerRetryMax);
      } catch (const SqliteError& error) {
        halt(error.what() + disk_advice(error));
      } catch (const std::exception& error) {
        halt(error.what());
      }
    }
  }

  // For a while: what caused it may be mended meanwhile.
  void halt(const std::string& why) {
    if (stopping_) return;
    progress_.need_resync();  // nothing is sent meanwhile
    report(State::kHalted, file_is_unwell_ ? file_trouble() : why);
    pause(kHaltRetry);
  }

  // The write-ahead log tells of a commit when its pages are written, and SQLite
  // shows the commit to others only after that, by a disk's flush later perhaps.
  // So when there is nothing to send yet, it looks again, ever more rarely.
  void publish() {
    std::chrono::milliseconds look_again = kLookAgainMin;
    while (!stopping_) {
      try {
        if (publisher_.step() || progress_.wait_for_work(look_again)) {
          look_again = kLookAgainMin;
        } else {
          look_again = std::min<std::chrono::milliseconds>(look_again * 2, kFetchWait);
        }
      } catch (const Interrupted&) {
        return;
      } catch (const LogUnavailable&) {
        pause(kBrokerRetryMin);  // the applier reports it
      } catch (const std::exception& error) {
        spdlog::warn("cannot publish error=\"{}\"", error.what());
        pause(kHaltRetry);
      }
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
    progress_.work();
    if (file_is_unwell_) look_at_file();
  }

  // When something has happened to the file, and every now and then: nothing tells of a
  // folder that was renamed.
  void look_at_file() {
    const FileKeeper::Report found = keeper_.look();
    const bool is_unwell = found.finding != FileKeeper::Finding::kWell;
    must_not_close_ = found.finding == FileKeeper::Finding::kReplaced || found.finding == FileKeeper::Finding::kLogLost;
    set_file_trouble(found.message);
    if (found.finding == FileKeeper::Finding::kLogLost && keeper_.can_begin_anew()) begin_anew();
    look_again_.expires_after(is_unwell ? kLookAtUnwellFile : kLookAtFile);
    look_again_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look_at_file();
    });
  }

  void set_file_trouble(const std::string& trouble) {
    {
      const std::lock_guard lock(file_trouble_mutex_);
      if (trouble == file_trouble_) return;
      file_trouble_ = trouble;
    }
    file_is_unwell_ = !trouble.empty();
    if (file_is_unwell_) report_file_trouble(trouble);
    pause_ended_.notify_all();
  }

  // At once: the applier may be waiting for something.
  void report_file_trouble(const std::string& trouble) { status_->set_state(State::kHalted, trouble); }

  std::string file_trouble() {
    const std::lock_guard lock(file_trouble_mutex_);
    return file_trouble_;
  }

  // The process stays, and what it has open goes: what SQLite does when it closes a file
  // would harm one that is not what it takes it for.
  [[noreturn]] void begin_anew() {
    spdlog::warn("nobody has the lost files open any more; beginning anew");
    std::ifstream command_line("/proc/self/cmdline", std::ios::binary);
    std::vector<std::string> words;
    for (std::string word; std::getline(command_line, word, '\0');) words.push_back(word);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    spdlog::shutdown();
    execv("/proc/self/exe", arguments.data());
    std::_Exit(EXIT_FAILURE);
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
  FileKeeper keeper_;
  boost::asio::steady_timer look_again_;
  std::mutex file_trouble_mutex_;
  std::string file_trouble_;  // guarded by it
  std::shared_ptr<const SigningKey> key_;
  std::unique_ptr<Status> status_;
  Pulses pulses_;
  Watchdog watchdog_;
  Progress progress_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> file_is_unwell_{false};
  bool must_not_close_ = false;  // the file; of the main thread
  // Of the applier's thread.
  std::string reported_;
  std::uint64_t untrusted_reported_ = 0;
  std::chrono::steady_clock::time_point untrusted_reported_at_;
  std::optional<std::chrono::steady_clock::time_point> catching_up_since_, catching_up_reported_;
  std::chrono::steady_clock::time_point looked_at_log_ = std::chrono::steady_clock::now();
  std::optional<std::pair<std::string, std::string>> refused_heir_;  // a snapshot, and why
  std::mutex pause_mutex_;
  std::condition_variable pause_ended_;
  int loops_ = 4;  // that run; guarded by pause_mutex_
  JetStreamLog log_;
  Publisher publisher_;
  ProofWorker proofs_;
  LogWitness witness_;
  Heartbeat heartbeat_;
  Applier applier_;
  FileWatch watch_;
};

Sidecar::Sidecar(SidecarSettings settings) : implementation_(std::make_unique<Implementation>(std::move(settings))) {}
Sidecar::~Sidecar() = default;
void Sidecar::run() { implementation_->run(); }

}  // namespace colony
