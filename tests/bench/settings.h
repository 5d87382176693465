// What all of the benchmarks are given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace colony::bench {

struct Settings {
  std::filesystem::path directory;  // empty, and ours to fill
  std::filesystem::path program;    // colony
  std::filesystem::path extension;  // colony.so
  std::string nats_server;
  std::vector<std::string> run_flags;  // more of them, for colony run
  bool captures_from_log = false;      // the nodes are in wal mode
  bool quick = false;

  // What programs that write to a node load.
  std::optional<std::string> node_extension() const {
    return captures_from_log ? std::nullopt : std::optional(extension.string());
  }

  int rounds() const { return quick ? 5 : 21; }
  double round_seconds() const { return quick ? 0.1 : 0.25; }  // of the fastest variant
  double visible_seconds() const { return quick ? 2 : 12; }
  int flush_rounds() const { return quick ? 2 : 7; }
  double flush_seconds() const { return quick ? 1 : 4; }
  std::int64_t flush_commits() const { return quick ? 2'000 : 10'000; }
  double idle_seconds() const { return quick ? 2 : 10; }
  std::int64_t offline_rows() const { return quick ? 100'000 : 1'000'000; }  // of each of two nodes
  int growth_rounds() const { return quick ? 3 : 7; }
  double growth_round_seconds() const { return quick ? 0.05 : 0.2; }  // of plain SQLite
  std::int64_t growth_table_rows_max() const { return quick ? 100'000 : 10'000'000; }
  std::int64_t growth_backlog_max() const { return quick ? 10'000 : 1'000'000; }
  std::int64_t growth_commits() const { return quick ? 100 : 1000; }  // of 10 rows, per round
  int growth_node_rounds() const { return quick ? 2 : 5; }
  std::int64_t large_rows() const { return quick ? 100'000 : 1'000'000; }  // in one commit
  std::int64_t locks_rows() const { return quick ? 20'000 : 100'000; }     // that another node has committed
};

}  // namespace colony::bench
