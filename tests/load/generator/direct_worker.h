// A process that does to a node's file what metad would do, for users of the process
// that started it: the same statements, the same group commit, no HTTP.
#pragma once

#include <cstdint>
#include <string>

#include "tests/load/generator/worker_process.h"

namespace load {

// What goes over the socket between the two, as it lies in memory.
struct DirectAsk {
  std::uint64_t token, etag;
  std::uint32_t user, key;
  std::uint32_t operation;
  std::uint32_t value_bytes;
};
struct DirectAnswer {
  std::uint64_t token, etag;
  std::int64_t committed_ns;
  std::uint32_t user, status;
  std::uint32_t value_bytes, is_expected;
};

// Forks: call it before there are threads. The worker ends when its socket does; if
// the file cannot be opened it says why on stderr and ends at once.
WorkerProcess start_direct_worker(const std::string& file, const std::string& extension, unsigned node);

}  // namespace load
