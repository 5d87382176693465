#include "replicator/sidecar/sidecar.h"

#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "replicator/broker/server_urls.h"
#include "replicator/sidecar/replication.h"
#include "replicator/sidecar/reporting.h"
#include "replicator/sidecar/served_file.h"
#include "replicator/sidecar/upkeep.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kStopWait{1};

std::shared_ptr<const SigningKey> read_key(const std::string& file) {
  return file.empty() ? nullptr : std::make_shared<const SigningKey>(SigningKey::from_file(file));
}

}  // namespace

class Sidecar::Implementation {
 public:
  explicit Implementation(SidecarSettings settings)
      : signals_(loop_, SIGTERM, SIGINT),
        settings_(std::move(settings)),
        // The applier may be waiting for something: the status is set at once.
        file_(loop_, settings_.database,
              [this](const std::string& trouble) { reporting_.status().set_state(State::kHalted, trouble); }),
        key_(read_key(settings_.key_file)),
        reporting_(loop_, settings_, file_, loops_),
        replication_(settings_, file_, key_, reporting_, loops_),
        upkeep_(
            settings_, file_, replication_.capture(), reporting_,
            [this](QuestionEntry question) { replication_.send(std::move(question)); }, loops_) {
    file_.watch([this] { replication_.look_at_outbox(); });
  }

  void run() {
    COLONY_STEP("sidecar.ready");
    spdlog::info("node={} cluster={} file={} broker={} version={}", file_.identity().node, file_.identity().cluster,
                 file_.home().path, without_credentials(settings_.broker.urls), COLONY_VERSION);
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) stop();
    });
    upkeep_.start();
    replication_.start();
    reporting_.start();
    file_.health().look();
    loop_.run();
    if (file_.health().must_not_close()) leave_at_once();
    upkeep_.close();
    // The library may still be trying to reach a server, which cannot be cut short.
    if (!loops_.await_ends(kStopWait)) leave_at_once();
    upkeep_.join();
    replication_.join();
    tell_end();
  }

 private:
  void stop() {
    loops_.stop();
    replication_.stop();
    reporting_.stop();
    upkeep_.stop();
    loop_.stop();
  }

  // A sidecar may be killed at any instant, so it may also leave.
  [[noreturn]] void leave_at_once() {
    tell_end();
    spdlog::shutdown();
    std::_Exit(EXIT_SUCCESS);
  }

  void tell_end() { spdlog::info("node={} stopped", file_.identity().node); }

  // First, so that a signal that comes while the rest is made is kept for run().
  boost::asio::io_context loop_;
  boost::asio::signal_set signals_;
  const SidecarSettings settings_;
  Loops loops_{Reporting::kLoops + Replication::kLoops + Upkeep::kLoops};
  ServedFile file_;
  const std::shared_ptr<const SigningKey> key_;
  Reporting reporting_;
  Replication replication_;
  Upkeep upkeep_;
};

Sidecar::Sidecar(SidecarSettings settings) : implementation_(std::make_unique<Implementation>(std::move(settings))) {}
Sidecar::~Sidecar() = default;
void Sidecar::run() { implementation_->run(); }

}  // namespace colony
