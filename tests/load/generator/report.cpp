#include "tests/load/generator/report.h"

#include <cmath>

namespace load {
namespace {

using nlohmann::json;

double rounded(double value) { return std::round(value * 1000) / 1000; }

json json_of(const Histogram& histogram) {
  return {{"count", histogram.count()},
          {"mean_ms", rounded(histogram.mean_ns() / 1e6)},
          {"p50_ms", rounded(histogram.at_ms(0.5))},
          {"p90_ms", rounded(histogram.at_ms(0.9))},
          {"p99_ms", rounded(histogram.at_ms(0.99))},
          {"p999_ms", rounded(histogram.at_ms(0.999))},
          {"max_ms", rounded(histogram.at_ms(1))}};
}

}  // namespace

json json_of(const Totals& totals) {
  json operations = json::object();
  for (std::size_t n = 0; n < kOperations; ++n) {
    if (totals.by_operation[n].count() != 0) {
      operations[name_of(static_cast<Operation>(n))] = json_of(totals.by_operation[n]);
    }
  }
  const double seconds = totals.seconds > 0 ? totals.seconds : 1;
  return {{"seconds", rounded(totals.seconds)},
          {"answers", totals.answers()},
          {"answers_per_s", rounded(static_cast<double>(totals.answers()) / seconds)},
          {"writes_per_s", rounded(static_cast<double>(totals.writes.count()) / seconds)},
          {"operations", operations},
          {"reads", json_of(totals.reads)},
          {"writes", json_of(totals.writes)},
          {"visible", json_of(totals.visible)},
          {"errors", totals.errors},
          {"error_count", totals.error_count()},
          {"conditions_refused", totals.conditions_refused},
          {"value_reads", totals.value_reads},
          {"stale_reads", totals.stale_reads},
          {"moves", totals.moves},
          {"unknown_writes", totals.unknown_writes},
          {"sessions_ended", totals.sessions}};
}

json json_of(const Verdict& verdict) {
  return {{"acknowledged", verdict.acknowledged}, {"unknown", verdict.unknown},  {"present", verdict.present},
          {"overwritten", verdict.overwritten},   {"lost", verdict.lost},        {"differing", verdict.differing},
          {"corrupt", verdict.corrupt},           {"examples", verdict.examples}};
}

json json_of(const Settings& settings) {
  return {{"users", settings.users},
          {"nodes", settings.nodes.size() + settings.direct.size()},
          {"direct", !settings.direct.empty()},
          {"think_s", settings.think_s},
          {"open_loop", settings.open_loop},
          {"ramp_s", settings.ramp_s},
          {"warm_up_s", settings.warm_up_s},
          {"seconds", settings.seconds},
          {"session_actions", settings.session_actions},
          {"mix",
           {{"read", settings.mix.read},
            {"list", settings.mix.list},
            {"write", settings.mix.write},
            {"cas", settings.mix.compare_and_set},
            {"new_objects", settings.mix.new_objects}}},
          {"zipf", settings.skew},
          {"keys", settings.dataset.keys},
          {"objects", settings.dataset.objects},
          {"value_bytes", settings.dataset.value_bytes},
          {"probes_per_s", settings.probes_per_s},
          {"seed", settings.seed}};
}

json json_of(const std::vector<Second>& series, const std::vector<std::string>& processes) {
  json rows = json::array();
  for (const Second& second : series) {
    json cpu = json::array(), own = json::array(), resident = json::array();
    for (const Usage& usage : second.usage) {
      cpu.push_back(rounded(usage.cpu));
      own.push_back(rounded(usage.own_mib));
      resident.push_back(rounded(usage.resident_mib));
    }
    rows.push_back({{"at_s", rounded(second.at_s)},
                    {"monotonic_s", static_cast<double>(second.monotonic_ns) / 1e9},
                    {"answers", second.answers},
                    {"errors", second.errors},
                    {"connected", second.connected},
                    {"target_rate", rounded(second.target_rate)},
                    {"read_p50_ms", rounded(second.read_p50_ms)},
                    {"read_p99_ms", rounded(second.read_p99_ms)},
                    {"read_max_ms", rounded(second.read_max_ms)},
                    {"write_p50_ms", rounded(second.write_p50_ms)},
                    {"write_p99_ms", rounded(second.write_p99_ms)},
                    {"write_max_ms", rounded(second.write_max_ms)},
                    {"visible_count", second.visible_count},
                    {"visible_p50_ms", rounded(second.visible_p50_ms)},
                    {"visible_p99_ms", rounded(second.visible_p99_ms)},
                    {"visible_max_ms", rounded(second.visible_max_ms)},
                    {"cpu", cpu},
                    {"own_mib", own},
                    {"resident_mib", resident}});
  }
  return {{"processes", processes}, {"seconds", rows}};
}

}  // namespace load
