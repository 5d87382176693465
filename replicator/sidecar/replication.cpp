#include "replicator/sidecar/replication.h"

#include <utility>

#include "replicator/membership/file_claim.h"

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

Applier::Options applier_options(ServedFile& file, const SigningKey* key, Loops& loops) {
  Applier::Options options;
  options.home = file.home();
  if (key != nullptr) options.key = key->public_key();
  options.asks_for_base = true;
  options.migration_pause = std::chrono::seconds(2);
  options.go_on_waiting = [&](int) { return !loops.stopping() && !file.health().is_unwell(); };
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
                                            LoopProgress& progress, Loops& loops) {
  return {file.path(),
          file.identity().cluster,
          settings.broker,
          settings.snapshot_url,
          [&loops] { return !loops.stopping(); },
          &progress};
}

}  // namespace

Replication::Replication(const SidecarSettings& settings, ServedFile& file, std::shared_ptr<const SigningKey> key,
                         Reporting& reporting, Loops& loops)
    : loops_(loops),
      log_(log_settings(settings, file)),
      publisher_(file.path(), log_, permit_,
                 publisher_options(settings, file.home(), key, reporting.loops().publisher)),
      proofs_(
          file.path(), [this](ProofEntry proof) { send(std::move(proof)); }, reporting.loops().proofs),
      reports_(permit_, reporting.status(), listeners(reporting)),
      applier_(file.path(), log_, reports_, applier_options(file, key.get(), loops)),
      snapshot_catch_up_(catch_up_settings(settings, file, reporting.loops().applier, loops), log_, applier_,
                         reporting.states()),
      applier_loop_(applier_, snapshot_catch_up_, permit_, reporting.states(), file.health(), loops),
      publisher_loop_(publisher_, permit_, loops) {}

ApplierReports::Listeners Replication::listeners(Reporting& reporting) {
  return {.loop_progress = &reporting.loops().applier,
          .divergence = &reporting.divergence(),
          .on_barrier = [this](const BarrierEntry& barrier, Sequence at) { proofs_.answer(barrier, at); },
          .on_question = [this](const QuestionEntry& question, Sequence at) { proofs_.answer(question, at); }};
}

void Replication::start() {
  applying_ = std::thread([this] { applier_loop_.run(), loops_.ended(); });
  publishing_ = std::thread([this] { publisher_loop_.run(), loops_.ended(); });
}

void Replication::stop() {
  log_.interrupt();
  applier_.interrupt();
  permit_.work();
}

void Replication::join() {
  applying_.join();
  publishing_.join();
}

}  // namespace colony
