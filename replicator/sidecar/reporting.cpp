#include "replicator/sidecar/reporting.h"

#include "replicator/broker/server_urls.h"
#include "replicator/snapshot_store/snapshot_place.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kWatchEvery{1};

Heartbeat about_node(const SidecarSettings& settings, const ServedFile& file) {
  Heartbeat heartbeat;
  heartbeat.node = file.identity().node;
  heartbeat.incarnation = file.identity().incarnation;
  heartbeat.version = COLONY_VERSION;
  heartbeat.home = file.home();
  heartbeat.snapshots = snapshot_place(settings.snapshot_url, file.identity().cluster, settings.broker);
  heartbeat.gone_after = std::chrono::seconds(settings.gone_after_s);
  return heartbeat;
}

ClusterStatusSettings cluster_status(const SidecarSettings& settings, const Identity& self) {
  return {.broker = settings.broker,
          .cluster = self.cluster,
          .replicas = settings.replicas,
          .client_name = "colony " + self.node + " board"};
}

}  // namespace

Reporting::Reporting(boost::asio::io_context& loop, const SidecarSettings& settings, ServedFile& file, Loops& loops)
    : file_(file),
      status_(Status::beside(file.path())),
      watchdog_(progresses_, *status_),
      states_(*status_),
      heartbeat_sender_(file.path(), about_node(settings, file), *status_, divergence_, progresses_.heartbeat,
                        cluster_status(settings, file.identity()), [&loops] { loops.ended(); }),
      watch_timer_(loop) {
  status_->set_key_file(settings.key_file);
  status_->set_broker(without_credentials(settings.broker.urls), access_text(settings.broker));
}

void Reporting::start() {
  heartbeat_sender_.start();
  keep_watch();
}

// Once a second, of what lasts too long.
void Reporting::keep_watch() {
  file_.locks().look(status_->view(), std::chrono::steady_clock::now());
  watchdog_.look(std::chrono::steady_clock::now());
  watch_timer_.expires_after(kWatchEvery);
  watch_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) keep_watch();
  });
}

}  // namespace colony
