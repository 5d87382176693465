// What users talk to: N nodes, each user over a channel of its own to one of them.
// By HTTP to metad (http_target.h), or to worker processes that have the files open
// (direct_target.h).
//
// Threads: the loop's. Nothing blocks; what happens is told to the listener, never
// from within a call.
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/load/generator/content.h"
#include "tests/load/generator/workload.h"

namespace load {

using UserNumber = std::uint32_t;

struct Ask {
  Operation operation = Operation::kRead;
  std::uint32_t key = 0;    // a value's, a set's; of a probe, its node
  std::uint64_t token = 0;  // of a write
  std::uint64_t etag = 0;   // what a compare-and-set expects
};

struct Answer {
  unsigned status = 0;  // HTTP's
  std::uint64_t etag = 0;
  std::int64_t committed_ns = 0;  // CLOCK_MONOTONIC right after the commit
  Content content = {};           // of a value
  bool is_expected = true;        // of a list: see is_list_of()
  std::string_view body = {};     // as it came by HTTP, until the listener returns
};

enum class Loss { kConnect, kConnection, kProtocol };

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void connected(UserNumber user) = 0;
  virtual void answered(UserNumber user, const Answer& answer) = 0;
  // The user has no channel any more. An answer that it waited for will not come.
  virtual void lost(UserNumber user, Loss loss) = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  virtual void connect(UserNumber user, std::uint8_t node) = 0;
  // Tells nobody.
  virtual void close(UserNumber user) = 0;
  // One at a time per user.
  virtual void send(UserNumber user, const Ask& ask) = 0;
};

}  // namespace load
