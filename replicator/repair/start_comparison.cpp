#include "replicator/repair/start_comparison.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "replicator/apply/merge.h"
#include "replicator/snapshots/repair_base.h"
#include "replicator/store/noted_schema.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kSilentFor{1};
constexpr std::chrono::seconds kTellEvery{5};
constexpr int kTriesMax = 10;

constexpr const char* kWhat = "finding what programs have committed while no colony run was running";

std::string text_of(std::uint64_t done, std::uint64_t total, const char* unit) {
  std::string text = std::to_string(done);
  if (total > 0) text += " of " + std::to_string(total);
  return text + " " + unit;
}

bool has_any(SnapshotCatalog& catalog, const std::string& epoch) {
  const std::vector<CatalogedSnapshot> snapshots = catalog.list();
  return std::any_of(snapshots.begin(), snapshots.end(),
                     [&](const CatalogedSnapshot& snapshot) { return snapshot.name.epoch == epoch; });
}

}  // namespace

void StartComparison::run(const Capture& capture) {
  began_ = told_ = Clock::now();
  if (settings_.loop_progress != nullptr) settings_.loop_progress->begin(kWhat);
  reports_.show(State::kCatchingUp, kWhat);
  try {
    for (int tries = kTriesMax;; --tries) {
      try {
        return compare(capture);
      } catch (const FileChanged&) {
        if (tries == 0) throw;
        check_goes_on();
      }
    }
  } catch (const LogUnavailable& error) {
    throw LogUnavailable(std::string(error.what()) + ": " + kWhat +
                         " needs the log, and waits for it; programs can go on");
  }
}

void StartComparison::compare(const Capture& capture) {
  Database db = open_for_fold(settings_.database);
  NodeFile file(db);
  if (!file.has_met_colony()) return begin_without_comparison(capture, "this file has not met its colony yet");
  std::optional<SnapshotCatalog> catalog;
  if (settings_.snapshots) catalog.emplace(settings_.snapshots());
  if (!(catalog && has_any(*catalog, file.epoch())) && nobody_else_has_rows(file)) {
    return begin_without_comparison(capture, "nobody else has any rows of this colony yet");
  }
  if (!catalog) {
    throw Error(
        "what programs have committed while no colony run was running is found with a snapshot, and --snapshots is "
        "none: start it with --snapshots");
  }
  const StagingFile base = repair_place(settings_.database);
  fetch_repair_base(file, &log_, *catalog, base.path(), goes_on("fetching a snapshot", "bytes"));
  COLONY_STEP("missed.base_fetched");
  MissedChanges missed(settings_.database, base.path(), &log_, goes_on("replaying the log", "entries"));
  missed.prepare();
  COLONY_STEP("missed.prepared");
  const MissedChanges::Found& found = missed.find(capture.pin(), [this] { tell("comparing rows"); });
  COLONY_STEP("missed.found");
  missed.put(capture.capture_since, [&] {
    capture.make_way();
    tell("waiting for the write lock, which a program holds");
    return true;
  });
  tell(found);
}

// Then these are the rows that the colony begins with, and what others will get. Of who has
// sent anything into a log that is whole, all is known.
bool StartComparison::nobody_else_has_rows(NodeFile& file) {
  const LogInfo info = log_.info();
  if (info.epoch != file.epoch() || info.first > Sequence(1) || !file.departures().empty()) return false;
  const std::map<std::string, Origin> origins = file.origins();
  return std::all_of(origins.begin(), origins.end(),
                     [&](const auto& origin) { return origin.first == file.identity().node; });
}

void StartComparison::begin_without_comparison(const Capture& capture, const char* why) {
  Database db = open_for_fold(settings_.database);
  NodeFile file(db);
  capture.pin();
  {
    WriteTransaction transaction(db);
    // What is to be merged, and was not sent, are all rows that there are.
    if (file.merged() != ChunkNumber()) merge_own_rows(db, file);
    note_schema(db);
    capture.capture_since(db);
    transaction.commit();
  }
  spdlog::info("capture begins with the rows that there are reason=\"{}\"", why);
}

void StartComparison::tell(const MissedChanges::Found& found) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  for (const DifferingRows& table : found.keyless) {
    spdlog::warn("rows with a NULL in the key are on this node alone table={} rows={}", table.table, table.keyless);
  }
  if (!found.any()) {
    spdlog::info("programs have committed nothing while no colony run was running after_s={:.1f}", seconds);
    return;
  }
  spdlog::info(
      "captured what programs have committed while no colony run was running rows={} tables={} schema_changes={} "
      "after_s={:.1f}",
      found.rows(), found.tables.size(), found.schema.size(), seconds);
}

void StartComparison::tell(const std::string& step) {
  check_goes_on();
  if (settings_.loop_progress != nullptr) settings_.loop_progress->advance();
  const Clock::time_point now = Clock::now();
  if (now - began_ < kSilentFor) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
  const std::string text = std::string(kWhat) + ": " + step + ", " + std::to_string(seconds) + " s so far";
  reports_.show(State::kCatchingUp, text);
  if (now - told_ < kTellEvery) return;
  told_ = now;
  spdlog::info("{}", text);
}

GoOn StartComparison::goes_on(const std::string& step, const char* unit) {
  return [this, step, unit](std::uint64_t done, std::uint64_t total) {
    tell(step + ", " + text_of(done, total, unit));
    return true;
  };
}

void StartComparison::check_goes_on() const {
  if (!settings_.go_on()) throw Interrupted();
}

}  // namespace colony
