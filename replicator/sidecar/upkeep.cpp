#include "replicator/sidecar/upkeep.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace colony {
namespace {

constexpr std::chrono::seconds kCheckErrorRetry{3};

}  // namespace

Upkeep::Upkeep(const SidecarSettings& settings, ServedFile& file, WalCapture* capture, Reporting& reporting,
               std::function<void(QuestionEntry)> send, Loops& loops)
    : settings_(settings),
      file_(file),
      capture_(capture),
      reporting_(reporting),
      send_(std::move(send)),
      loops_(loops),
      checker_(file.path(), {.every = std::chrono::seconds(settings.check_every_s)}, std::chrono::steady_clock::now()) {
}

HousekeepingSettings Upkeep::housekeeping() const {
  return {.database = file_.path(),
          .cluster = file_.identity().cluster,
          .node = file_.identity().node,
          .broker = settings_.broker,
          .replicas = settings_.replicas,
          .snapshot_url = settings_.snapshot_url,
          .retention = settings_.retention,
          .is_sound = [this] { return reporting_.status().view().state == State::kRunning; },
          .on_trouble = [this](const std::string& trouble) { reporting_.status().set_trouble(trouble); },
          .gone_after_s = settings_.gone_after_s,
          .loop_progress = &reporting_.loops().housekeeper,
          .capture = capture_};
}

void Upkeep::start() {
  if (!settings_.snapshot_url.empty()) housekeeper_.emplace(housekeeping());
  checking_ = std::thread([this] { check(), loops_.ended(); });
}

void Upkeep::close() {
  closing_ = std::thread([this] { housekeeper_.reset(), loops_.ended(); });
}

void Upkeep::join() {
  closing_.join();
  checking_.join();
}

void Upkeep::check() {
  while (!loops_.stopping()) {
    try {
      const bool is_well = reporting_.status().view().state == State::kRunning && !file_.health().is_unwell();
      const auto wall = std::chrono::system_clock::now().time_since_epoch();
      auto question = is_well ? checker_.next(std::chrono::steady_clock::now(), std::chrono::nanoseconds(wall).count())
                              : std::nullopt;
      if (question) send_(std::move(*question));
    } catch (const std::exception& error) {
      if (!loops_.stopping()) spdlog::warn("cannot ask whether the nodes are equal error=\"{}\"", error.what());
      loops_.pause(kCheckErrorRetry);
    }
    loops_.pause(checker_.rest());
  }
}

}  // namespace colony
