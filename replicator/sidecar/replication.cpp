#include "replicator/sidecar/replication.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "replicator/membership/file_claim.h"
#include "replicator/snapshot_store/snapshot_store.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

JetStreamSettings log_settings(const SidecarSettings& settings, const ServedFile& file) {
  const Identity& self = file.identity();
  return {.broker = settings.broker,
          .cluster = self.cluster,
          .node = self.node,
          .replicas = settings.replicas,
          .must_exist = has_met_log(file.path()),
          .client_name = "colony " + self.node};
}

Applier::Options applier_options(ServedFile& file, const SigningKey* key, WalCapture* capture, SessionAudit* audit,
                                 Loops& loops) {
  Applier::Options options;
  options.capture = capture;
  options.audit = audit;
  options.home = file.home();
  if (key != nullptr) options.key = key->public_key();
  options.asks_for_base = true;
  options.migration_pause = std::chrono::seconds(2);
  options.go_on = [&] { return !loops.stopping() && !file.health().is_unwell(); };
  options.go_on_waiting = [go_on = options.go_on](int) { return go_on(); };
  return options;
}

Publisher::Options publisher_options(const SidecarSettings& settings, const Home& home,
                                     std::shared_ptr<const SigningKey> key, LoopProgress& progress) {
  Publisher::Options options;
  options.hello = {home.host, home.path, COLONY_VERSION};
  options.key = std::move(key);
  options.flushes = settings.flushes_before_send;
  options.loop_progress = &progress;
  return options;
}

SnapshotCatchUp::Settings catch_up_settings(const SidecarSettings& settings, const ServedFile& file,
                                            WalCapture* capture, LoopProgress& progress, Loops& loops) {
  return {file.path(),
          file.identity().cluster,
          settings.broker,
          settings.snapshot_url,
          [&loops] { return !loops.stopping(); },
          &progress,
          captured_reads(file.path(), capture, [&loops] { return !loops.stopping(); })};
}

StartComparison::Settings start_settings(const SidecarSettings& settings, const ServedFile& file,
                                         LoopProgress& progress, Loops& loops) {
  StartComparison::Settings start{file.path(), {}, [&loops] { return !loops.stopping(); }, &progress};
  if (settings.snapshot_url.empty()) return start;
  start.snapshots = [url = settings.snapshot_url, cluster = file.identity().cluster, broker = settings.broker] {
    return SnapshotCatalog(open_snapshot_store(url, cluster, broker, 1), cluster);
  };
  return start;
}

std::unique_ptr<WalCapture> new_capture(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  return capture_mode(db) == CaptureMode::kWal ? std::make_unique<WalCapture>(path) : nullptr;
}

}  // namespace

Replication::Replication(const SidecarSettings& settings, ServedFile& file, std::shared_ptr<const SigningKey> key,
                         Reporting& reporting, Loops& loops)
    : loops_(loops),
      capture_(new_capture(file.path())),
      log_(log_settings(settings, file)),
      publisher_(file.path(), log_, permit_,
                 publisher_options(settings, file.home(), key, reporting.loops().publisher)),
      proofs_(
          file.path(), [this](ProofEntry proof) { send(std::move(proof)); }, reporting.loops().proofs,
          [this](Database& reader) { applier_.begin_captured_read(reader); }),
      reports_(permit_, reporting.status(), listeners(reporting)),
      audit_(settings.audits && !capture_
                 ? std::make_unique<SessionAudit>(file.path(), audit_reports(reporting.status()))
                 : nullptr),
      applier_(file.path(), log_, reports_, applier_options(file, key.get(), capture_.get(), audit_.get(), loops)),
      snapshot_catch_up_(catch_up_settings(settings, file, capture_.get(), reporting.loops().applier, loops), log_,
                         applier_, reporting.states()),
      start_comparison_(start_settings(settings, file, reporting.loops().applier, loops), log_, reporting.states()),
      applier_loop_(applier_, snapshot_catch_up_, permit_, reporting.states(), file.health(), loops,
                    [this] { keep_captured(); }),
      publisher_loop_(publisher_, permit_, loops) {
  if (audit_) audit_loop_.emplace(file.path(), *audit_, loops, [this] { permit_.work(); });
  if (!capture_) return;
  capture_loop_.emplace(file.path(), *capture_, loops,
                        CaptureLoop::Listeners{[this] { permit_.work(); }, [this] { capture_failed_ = true; }});
}

// What capturing has failed with, the applier meets again and reports.
void Replication::keep_captured() {
  if (!capture_) return;
  if (!goes_on_at_mark()) capture_what_was_missed();
  if (capture_failed_.exchange(false)) applier_.capture_committed();
}

// Each mark is tried once: what could not be read after it then cannot be read now.
bool Replication::goes_on_at_mark() {
  const std::lock_guard alone(capture_->mutex());
  if (capture_->follows()) return true;
  try {
    capture_->follow(mark_tried_);
    mark_tried_ = capture_->mark_number();
  } catch (const WalLost& lost) {
    spdlog::debug("the write-ahead log does not tell all that programs have committed reason=\"{}\"", lost.what());
  }
  return capture_->follows();
}

void Replication::capture_what_was_missed() {
  const std::lock_guard alone(capture_->mutex());
  std::optional<WalCapture::Turn> turn;
  try {
    start_comparison_.run({[&]() -> Database& {
                             turn.reset();
                             return capture_->follow_from_here();
                           },
                           [&](Database& db) {
                             turn.emplace(*capture_, db);
                             turn->before_commit(WalCapture::Turn::Tables::kMayBeOthers);
                           },
                           [&] { capture_->make_way(); }});
    turn->committed();
  } catch (...) {
    turn.reset();
    capture_->forget();
    throw;
  }
}

ApplierReports::Listeners Replication::listeners(Reporting& reporting) {
  return {.loop_progress = &reporting.loops().applier,
          .divergence = &reporting.divergence(),
          .on_barrier = [this](const BarrierEntry& barrier, Sequence at) { proofs_.answer(barrier, at); },
          .on_question = [this](const QuestionEntry& question, Sequence at) { proofs_.answer(question, at); }};
}

void Replication::start() {
  applying_ = std::thread([this] { applier_loop_.run(), loops_.ended(); });
  publishing_ = std::thread([this] { publisher_loop_.run(), loops_.ended(); });
  capturing_ = std::thread([this] {
    if (capture_loop_) capture_loop_->run();
    if (audit_loop_) audit_loop_->run();
    loops_.ended();
  });
}

void Replication::stop() {
  log_.interrupt();
  applier_.interrupt();
  look_at_outbox();
}

void Replication::look_at_outbox() {
  if (capture_loop_) capture_loop_->wake();
  if (audit_loop_) audit_loop_->wake();
  permit_.work();
}

void Replication::join() {
  applying_.join();
  publishing_.join();
  capturing_.join();
}

}  // namespace colony
