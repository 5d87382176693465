#include <spdlog/fmt/fmt.h>

#include "replicator/cli/status_report.h"

namespace colony::cli {
namespace {

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

// `812,000 of 1,000,000 entries, about 12 s left`
std::string text_of(const Backlog& backlog, const char* unit) {
  std::string text = with_commas(backlog.done) + " of " + with_commas(backlog.done + backlog.left) + " " + unit;
  const auto seconds = backlog.seconds_left();
  if (!seconds) return text + ", time left not yet known";
  if (*seconds < 120) return text + ", about " + std::to_string(*seconds) + " s left";
  return text + ", about " + std::to_string((*seconds + 59) / 60) + " min left";
}

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

std::string log_file_text(const StatusReport& report) {
  const LogFile& file = report.log_file;
  std::string text = mebibytes(file.bytes);
  if (const std::uint32_t left = file.fill.pages - file.fill.checkpointed; left > 0) {
    text += fmt::format(", {} of {} pages not yet in the database", with_commas(left), with_commas(file.fill.pages));
  }
  return text;
}

std::string position_text(const StatusReport& report, bool runs) {
  const StatusView& sidecar = report.sidecar;
  std::string position = std::to_string(report.position.value());
  if (runs) {
    position += " of " + std::to_string(sidecar.log_head.value());
    if (lag_of(report) > 0) position += ", " + std::to_string(lag_of(report)) + " behind";
    if (lag_of(report) > 0 && sidecar.behind) {
      position += fmt::format(" for {:.0f} s", seconds_since(*sidecar.behind));
    }
  }
  return position;
}

}  // namespace

void print_text(const StatusReport& report) {
  const StatusView& sidecar = report.sidecar;
  const bool runs = sidecar.state != State::kStopped;
  const auto line = [](const char* name, const std::string& text) { fmt::print("{:<11} {}\n", name, text); };
  line("node", report.identity.node + " of colony " + report.identity.cluster);
  line("state",
       state_of(report) + (runs ? " (process " + std::to_string(sidecar.pid) + ", " + sidecar.broker + ")" : ""));
  if (!sidecar.message.empty()) line("error", sidecar.message);
  for (const std::string& trouble : report.troubles) line("not well", trouble);
  line("position", position_text(report, runs));
  if (const auto backlog = catching_up(report)) line("catching up", text_of(*backlog, "entries"));
  if (const auto backlog = sending(report)) line("sending", text_of(*backlog, "transactions"));
  line("pending", std::to_string(report.pending) + (report.pending == 1 ? " transaction" : " transactions"));
  line("conflicts", std::to_string(report.conflicts) + (report.conflicts > 0 ? " (see colony conflicts)" : ""));
  line("wal", log_file_text(report));
  if (sidecar.ignored > 0)
    line("ignored", std::to_string(sidecar.ignored) + " messages that are not entries of this colony");
  if (sidecar.untrusted > 0)
    line("untrusted", std::to_string(sidecar.untrusted) + " messages ignored: unsigned or wrongly signed");
  if (report.trust.is_in_force()) line("trusts", std::to_string(report.trust.keys.size()) + " keys (see colony trust)");
  line("capture", report.capture);
  std::string tables;
  for (const std::string& table : report.tables) tables += (tables.empty() ? "" : ", ") + table;
  line("tables", tables.empty() ? "none" : tables);
  if (!report.null_keys.empty()) {
    std::string names;
    for (const std::string& table : report.null_keys) names += (names.empty() ? "" : ", ") + table;
    line("NULL keys", "rows of " + names + " with NULL in the PRIMARY KEY stay on this node");
  }
  for (const std::string& warning : report.warnings) line("warning", warning);
}

}  // namespace colony::cli
