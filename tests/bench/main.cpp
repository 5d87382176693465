// How fast Colony is: see tests/bench.sh, which starts this.
#include <sqlite3.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "tests/bench/apply_bench.h"
#include "tests/bench/capture_bench.h"
#include "tests/bench/figures.h"
#include "tests/bench/flush_bench.h"
#include "tests/bench/growth_bench.h"
#include "tests/bench/large_bench.h"
#include "tests/bench/locks_bench.h"
#include "tests/bench/offline_bench.h"
#include "tests/bench/process.h"
#include "tests/bench/settings.h"
#include "tests/bench/visible_bench.h"
#include "tests/bench/wal_bench.h"
#include "tests/bench/workload.h"

namespace {

using namespace colony::bench;

std::string first_line_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string file_system(const std::filesystem::path& directory) {
  struct statfs info {};
  statfs(directory.c_str(), &info);
  switch (static_cast<unsigned>(info.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x01021994:
      return "tmpfs";
    case 0x794c7630:
      return "overlay";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    default:
      return "type " + std::to_string(info.f_type);
  }
}

std::string version_of(const Settings& settings, const std::string& program) {
  const std::filesystem::path output = settings.directory / "version";
  Program({program, "--version"}, output).finish();
  return first_line_of(output);
}

void add_facts(const Settings& settings, Figures& figures) {
  utsname system{};
  uname(&system);
  figures.fact("cores", std::to_string(sysconf(_SC_NPROCESSORS_ONLN)));
  figures.fact("processor", processor());
  figures.fact("kernel", std::string(system.sysname) + " " + system.release);
  figures.fact("load_average", first_line_of("/proc/loadavg"));
  figures.fact("file_system", file_system(settings.directory));
  figures.fact("colony", version_of(settings, settings.program));
  figures.fact("sqlite", sqlite3_libversion());
  figures.fact("nats_server", version_of(settings, settings.nats_server));
  figures.fact("settings", "WAL, synchronous=NORMAL, SQLite's default cache and checkpoints; " +
                               std::to_string(kRowsAtStart) +
                               " rows at the start, INSERT : UPDATE : DELETE = 1 : 1 : 1; rates are medians of " +
                               std::to_string(settings.rounds()) + " rounds, ratios medians of per-round ratios");
  figures.fact("table_objects", objects_table().description);
  figures.fact("table_notes", notes_table().description);
}

int run(int argc, char** argv) {
  Settings settings;
  std::vector<std::string> only;
  bool json = false;
  std::filesystem::path save;
  const std::filesystem::path here = std::filesystem::canonical("/proc/self/exe").parent_path();
  settings.program = here / "colony";
  settings.extension = here / "colony.so";
  CLI::App app{"How fast Colony is, against plain SQLite in the same run"};
  app.add_option("directory", settings.directory, "An empty directory to work in")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--nats-server", settings.nats_server, "The broker")->envname("NATS_SERVER")->required();
  app.add_option("--only", only, "Of capture, apply, visible, flush, large, offline, locks, growth, wal: only these")
      ->delimiter(',')
      ->check(CLI::IsMember({"capture", "apply", "visible", "flush", "large", "offline", "locks", "growth", "wal"}));
  app.add_flag("--quick", settings.quick, "Fewer and shorter rounds: to see that it works, not to be quoted");
  app.add_flag("--json", json, "One JSON document on stdout");
  app.add_option("--save", save, "The JSON document into this file, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  const auto wanted = [&](const std::string& theme) {
    return only.empty() || std::find(only.begin(), only.end(), theme) != only.end();
  };
  Figures figures;
  add_facts(settings, figures);
  if (wanted("capture")) measure_capture(settings, figures);
  if (wanted("apply")) measure_apply(settings, figures);
  if (wanted("visible")) {
    LoopbackColony colony(settings);
    measure_visible(settings, colony, figures);
    measure_idle(settings, colony, figures);
  }
  if (wanted("flush")) measure_flush(settings, figures);
  if (wanted("large")) measure_large(settings, figures);
  if (wanted("offline")) measure_offline(settings, figures);
  if (wanted("locks")) measure_locks(settings, figures);
  if (wanted("growth")) measure_growth(settings, figures);
  if (wanted("wal")) measure_wal(settings, figures);
  if (!save.empty() && !(std::ofstream(save) << figures.json())) {
    throw std::runtime_error("cannot write " + save.string());
  }
  std::cout << (json ? figures.json() + "\n" : figures.table());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
}
