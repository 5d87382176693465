// colony-load: users by the thousand, for metad on some nodes or for the files
// themselves; measures, and checks that nothing that was acknowledged is lost.

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

#include "tests/load/generator/relay.h"
#include "tests/load/generator/run.h"
#include "tests/load/metad/open_files.h"

namespace {

// Like CLI::Range, which lets pass what is no number (nan).
CLI::Validator number_from(double least, double most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    double value = std::numeric_limits<double>::quiet_NaN();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (is_number && value >= least && value <= most) return {};
    std::ostringstream complaint;
    complaint << "must be from " << least << " to " << most << ", not " << text;
    return complaint.str();
  };
  std::ostringstream range;
  range << least << " to " << most;
  return {[check](std::string& text) { return check(text); }, range.str()};
}

std::uint16_t port_of(const std::string& text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != text.npos || std::stoi(text) > 65535) {
    throw CLI::ValidationError("--node", "'" + text + "' is no port");
  }
  return static_cast<std::uint16_t>(std::stoi(text));
}

load::HttpNode node_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) throw CLI::ValidationError("--node", "'" + text + "' is no ADDRESS:PORT");
  load::HttpNode node{text.substr(0, colon), {}};
  std::istringstream ports(text.substr(colon + 1));
  for (std::string port; std::getline(ports, port, '+');) node.ports.push_back(port_of(port));
  if (node.ports.empty()) throw CLI::ValidationError("--node", "'" + text + "' has no port");
  return node;
}

std::pair<std::string, std::string> process_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) throw CLI::ValidationError("--process", "'" + text + "' is no NAME=PIDFILE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void parse_mix(const std::string& text, load::Mix& mix) {
  const std::pair<const char*, double*> shares[] = {
      {"read", &mix.read}, {"list", &mix.list}, {"write", &mix.write}, {"cas", &mix.compare_and_set}};
  for (const auto& [name, share] : shares) *share = 0;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = part.find('=');
    bool known = false;
    for (const auto& [name, share] : shares) {
      if (equals == part.npos || part.substr(0, equals) != name) continue;
      const char* const end = part.data() + part.size();
      const auto [rest, error] = std::from_chars(part.data() + equals + 1, end, *share);
      known = error == std::errc() && rest == end && *share >= 0 && *share <= 1e9;
    }
    if (!known)
      throw CLI::ValidationError("--mix", "'" + part + "' is none of read=, list=, write=, cas= with a share");
  }
  if (mix.read + mix.list + mix.write + mix.compare_and_set <= 0)
    throw CLI::ValidationError("--mix", "all shares are 0");
}

struct Arguments {
  load::Settings settings;
  std::vector<std::string> nodes, processes;
  std::string mix, prepare, keys = "zipf";
  double rate = 0;
  bool closed = false;
};

constexpr double kLongest = 1e6;  // of times, and far from what overflows

void describe(CLI::App& app, Arguments& arguments) {
  load::Settings& settings = arguments.settings;
  app.set_version_flag("--version", COLONY_VERSION);
  app.add_option("--prepare", arguments.prepare,
                 "Only fill this plain file (the demo's schema) with the rows to ask for");
  app.add_option("--node", arguments.nodes,
                 "ADDRESS:PORT of a node's metad, ADDRESS:PORT+PORT if it is several processes; repeated");
  app.add_option("--direct", settings.direct, "Instead: files, each opened by a worker process, no HTTP")
      ->delimiter(',');
  app.add_option("--extension", settings.extension, "colony.so, for --direct on files in session mode");
  app.add_option("--files", settings.files, "The nodes' files, in their order, to measure when commits are visible")
      ->delimiter(',');
  app.add_option("--process", arguments.processes, "NAME=PIDFILE of a process whose CPU and memory to note; repeated");
  app.add_option("--users", settings.users, "Users, each with a connection")
      ->check(CLI::Range(1, 4'000'000))
      ->capture_default_str();
  app.add_option("--think", settings.think_s, "Seconds between two actions of a user, on average")
      ->check(number_from(0, kLongest))
      ->capture_default_str();
  app.add_option("--rate", arguments.rate, "Instead of --think: actions a second of all users together")
      ->check(number_from(0.001, 1e7));
  app.add_flag("--closed", arguments.closed,
               "Think after an answer (closed loop); else act at times that do not wait for answers");
  app.add_option("--ramp", settings.ramp_s, "Seconds within which the users come")
      ->check(number_from(0, kLongest))
      ->capture_default_str();
  app.add_option("--warm-up", settings.warm_up_s, "Seconds after that which do not count")
      ->check(number_from(0, kLongest))
      ->capture_default_str();
  app.add_option("--seconds", settings.seconds, "Seconds that count")
      ->check(number_from(0.1, kLongest))
      ->capture_default_str();
  app.add_option("--session", settings.session_actions, "Actions in a user's session, on average; 0: it never ends")
      ->check(number_from(0, 1e9));
  app.add_option("--mix", arguments.mix, "Shares of the actions (default read=80,list=10,write=8,cas=2)");
  app.add_option("--new-objects", settings.mix.new_objects, "Share of the writes that add an object of their own")
      ->check(number_from(0, 1))
      ->capture_default_str();
  app.add_option("--keys", arguments.keys, "zipf or uniform")
      ->check(CLI::IsMember({"zipf", "uniform"}))
      ->capture_default_str();
  app.add_option("--skew", settings.skew, "Exponent of Zipf's law")->check(number_from(0.01, 5))->capture_default_str();
  app.add_option("--values", settings.dataset.keys, "Shared values that there are")
      ->check(CLI::Range(1, 9'999'999))
      ->capture_default_str();
  app.add_option("--objects", settings.dataset.objects, "Objects that there are")
      ->check(CLI::Range(20, 1'999'999))
      ->capture_default_str();
  app.add_option("--value-bytes", settings.dataset.value_bytes, "Size of a value")
      ->check(CLI::Range(24, 60'000))
      ->capture_default_str();
  app.add_option("--probes", settings.probes_per_s, "Commits a second on each node whose way is timed; 0: none")
      ->check(number_from(0, 1000))
      ->capture_default_str();
  app.add_option("--timeout", settings.timeout_s, "Seconds after which an answer is given up")
      ->check(number_from(0.001, kLongest))
      ->capture_default_str();
  app.add_option("--settle", settings.settle_s, "Seconds that the nodes have, at the end, to become equal")
      ->check(number_from(0, kLongest))
      ->capture_default_str();
  app.add_flag("--may-lose-node", settings.may_lose_node,
               "A connection that breaks is no error: its user goes elsewhere");
  app.add_flag("--knee", settings.find_knee,
               "Raise the rate step by step until the p99 of a step is over the limit, or it has errors");
  app.add_option("--knee-factor", settings.knee.factor, "What a step multiplies the rate by")
      ->check(number_from(1.01, 10))
      ->capture_default_str();
  app.add_option("--knee-seconds", settings.knee.step_s, "Seconds of a step")
      ->check(number_from(0.1, kLongest))
      ->capture_default_str();
  app.add_option("--knee-limit", settings.knee.limit_ms, "Milliseconds of the limit")
      ->check(number_from(0.001, kLongest))
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "Of what is drawn")->check(number_from(0, 9e18))->capture_default_str();
  app.add_option("--report", settings.report, "Where to write the figures, as JSON (default: stdout)");
  app.add_option("--measuring-file", settings.measuring_file, "A file to make when the part that counts begins");
}

void complete(Arguments& arguments) {
  load::Settings& settings = arguments.settings;
  for (const std::string& node : arguments.nodes) settings.nodes.push_back(node_of(node));
  for (const std::string& process : arguments.processes) settings.processes.push_back(process_of(process));
  if (!arguments.mix.empty()) parse_mix(arguments.mix, settings.mix);
  if (arguments.keys == "uniform") settings.skew = 0;
  if (arguments.rate > 0) settings.think_s = settings.users / arguments.rate;
  settings.open_loop = !arguments.closed;
  if (!arguments.prepare.empty()) return;
  if (settings.nodes.empty() == settings.direct.empty()) {
    throw CLI::ValidationError("--node", "name nodes, or files by --direct");
  }
  if (settings.nodes.size() + settings.direct.size() > 64) throw CLI::ValidationError("--node", "64 nodes at most");
  const bool needs_think = settings.open_loop || settings.find_knee;
  if (settings.think_s > kLongest) throw CLI::ValidationError("--rate", "too low for so many users");
  if (needs_think && settings.think_s <= 0) throw CLI::ValidationError("--think", "only with --closed it can be 0");
  if (!settings.files.empty() && settings.files.size() != settings.nodes.size()) {
    throw CLI::ValidationError("--files", "one for each --node, or none");
  }
}

// What a person wants to know first.
void summarize(const nlohmann::json& report) {
  const auto& totals = report["totals"];
  if (report.contains("knee_rate")) {
    std::fprintf(stderr, "knee: %.0f actions/s (%s)\n", report["knee_rate"].get<double>(),
                 report["knee_end"].get<std::string>().c_str());
  } else {
    std::fprintf(stderr, "%.0f/s; p99 of reads %.1f ms, of writes %.1f ms, visible %.0f ms; %llu errors\n",
                 totals["answers_per_s"].get<double>(), totals["reads"]["p99_ms"].get<double>(),
                 totals["writes"]["p99_ms"].get<double>(), totals["visible"]["p99_ms"].get<double>(),
                 static_cast<unsigned long long>(totals["error_count"].get<std::uint64_t>()));
  }
  if (!report.contains("knee_rate") && totals["answers"] == 0) {
    std::fputs("colony-load: nothing was answered while it was measured: measure for longer, or faster\n", stderr);
  }
  for (const auto* const errors : {&totals["errors"], &report["other_errors"]}) {
    for (const auto& [kind, times] : errors->items()) {
      std::fprintf(stderr, "error, %llu times%s: %s\n", static_cast<unsigned long long>(times.get<std::uint64_t>()),
                   errors == &totals["errors"] ? "" : " outside of what was measured", kind.c_str());
    }
  }
  if (report.contains("failure")) {
    std::fprintf(stderr, "colony-load: %s\n", report["failure"].get<std::string>().c_str());
    return;
  }
  const auto& verdict = report["verdict"];
  std::fprintf(
      stderr,
      "%llu acknowledged writes: %llu everywhere, %llu overwritten later, %llu lost; %llu rows differ, %llu are "
      "corrupt\n",
      static_cast<unsigned long long>(verdict["acknowledged"].get<std::uint64_t>()),
      static_cast<unsigned long long>(verdict["present"].get<std::uint64_t>()),
      static_cast<unsigned long long>(verdict["overwritten"].get<std::uint64_t>()),
      static_cast<unsigned long long>(verdict["lost"].get<std::uint64_t>()),
      static_cast<unsigned long long>(verdict["differing"].get<std::uint64_t>()),
      static_cast<unsigned long long>(verdict["corrupt"].get<std::uint64_t>()));
  for (const auto& example : verdict["examples"]) std::fprintf(stderr, "  %s\n", example.get<std::string>().c_str());
}

// Open files that are no user's connection: the nodes' files, of which there are at most
// 64, those for processes that hold connections, and what every process has.
constexpr std::uint64_t kOwnFiles = 300;
constexpr std::uint64_t kFilesLeast = 512;  // that a process may open; below, it is refused

// Processes that hold the connections, if this one may not open so many files.
std::vector<load::WorkerProcess> relays_for(const load::Settings& settings) {
  std::vector<load::WorkerProcess> relays;
  if (!settings.direct.empty()) return relays;
  const std::size_t users = settings.users + settings.nodes.size();
  const std::uint64_t limit = load::raise_open_files_up_to(users + kOwnFiles);
  if (limit >= users + kOwnFiles) return relays;
  const std::size_t most = limit < kFilesLeast ? 1 : limit - kOwnFiles;  // users of one of them
  const std::size_t count = (users + most - 1) / most;
  // Says why, and what to do.
  if (limit < kFilesLeast || count > kOwnFiles / 2) load::raise_open_files(users + kOwnFiles);
  for (unsigned number = 0; number < count; ++number) {
    relays.push_back(load::start_relay_worker(settings.nodes, number, users / count + 1, settings.dataset.value_bytes));
  }
  return relays;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Simulates users of metad on some nodes, or of their files, and measures.\n"
      "Exit code: 0; 1 if there were errors or something was lost; 2 if it could not be done.",
      "colony-load");
  describe(app, arguments);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return "colony-load: " + std::string(error.what()) + " (--help tells more)\n";
  });
  try {
    app.parse(argc, argv);
    complete(arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const load::Settings& settings = arguments.settings;
  std::signal(SIGPIPE, SIG_IGN);
  try {
    if (!arguments.prepare.empty()) {
      load::prepare(arguments.prepare, settings.dataset);
      return 0;
    }
    const std::vector<load::WorkerProcess> relays = relays_for(settings);
    std::vector<load::WorkerProcess> workers;
    for (unsigned node = 0; node < settings.direct.size(); ++node) {
      workers.push_back(load::start_direct_worker(settings.direct[node], settings.extension, node));
    }
    const nlohmann::json report = load::run(settings, workers, relays);
    if (settings.report.empty()) {
      std::printf("%s\n", report.dump(1).c_str());
    } else if (!(std::ofstream(settings.report) << report.dump(1) << '\n')) {
      throw std::runtime_error("cannot write " + settings.report);
    }
    summarize(report);
    return report["ok"].get<bool>() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "colony-load: %s\n", error.what());
    return 2;
  }
}
