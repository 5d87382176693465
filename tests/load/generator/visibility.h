// How long after a commit on one node it is seen on each other.
//
// Each node has a row of its own, probe/nN, which is set some times a second through
// the node's service, as any other write, to a number that grows. A thread looks at
// these rows in the other nodes' files, every kLookEvery, by plain SQL in a
// connection of its own, as a program there would. The time runs from CLOCK_MONOTONIC
// as the service reads it when its COMMIT has returned, to the same clock when the row
// was found: all on one machine, so that the clocks are one.
//
// Error: found up to kLookEvery late, or later when this thread does not get a core;
// and the service's stamp is taken some microseconds after the commit. A probe that
// is overwritten before it was found counts as seen when a later one is.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/load/generator/histogram.h"

namespace load {

class Visibility {
 public:
  static constexpr auto kLookEvery = std::chrono::milliseconds(2);

  // Files by node. Throws metad::SqliteError if one cannot be read.
  explicit Visibility(const std::vector<std::string>& files);
  ~Visibility();
  Visibility(const Visibility&) = delete;
  Visibility& operator=(const Visibility&) = delete;

  // Before a probe is sent, and when it was answered (committed_ns: of the answer) or failed.
  void sent(std::uint8_t node, std::uint64_t number);
  void committed(std::uint8_t node, std::uint64_t number, std::int64_t committed_ns);
  void failed(std::uint8_t node, std::uint64_t number);

  // What was found since the last call.
  Histogram take();
  // Probes that are not yet seen everywhere, and the age of the oldest.
  std::pair<std::size_t, double> waiting() const;

 private:
  struct Probe {
    std::int64_t committed_ns = 0;      // 0: not known yet
    std::vector<std::int64_t> seen_ns;  // by node; 0: not yet
  };
  struct Watcher;

  void run();
  void look(std::size_t node);
  bool settle(Probe& probe, std::size_t origin);

  mutable std::mutex mutex_;
  std::vector<std::map<std::uint64_t, Probe>> probes_;  // by origin
  Histogram found_;
  bool ending_ = false;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::thread thread_;
};

}  // namespace load
