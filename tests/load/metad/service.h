// What metad offers, without sockets and without HTTP's syntax:
//
//   GET|PUT|DELETE /kv/SPACE/KEY         a value, any bytes. PUT: ?ttl=SECONDS; If-Match and
//                                        If-None-Match: * make it a compare-and-set. GET:
//                                        If-None-Match: "ETAG" saves the bytes (304)
//   GET /kv/SPACE                        values by ?prefix= &after= &limit=
//   GET|PUT|DELETE /objects/KEY          {"size":1,"sha256":"…","owner":"…","placements":[…]}
//   GET /objects                         objects with placements, by ?prefix= &after= &limit=
//   PUT|DELETE /placements/NODE/KEY      {"url":"…","state":"copying|ready|lost"}
//   GET /placements/NODE                 what a node has, by ?prefix= &after= &limit=
//   GET /holders?object=KEY | ?sha256=X  which nodes hold it, ready
//   GET /healthz, GET /stats
//
// Conditions and parameters that a path does not know are refused, never ignored.
//
// On several nodes. A condition is judged by what this node has: compare-and-set is
// strict among the clients of one node. Two nodes that both change a value at the same
// moment both say yes; the later in the log wins everywhere, and the journal (`colony
// conflicts`) has what lost. A DELETE here wins over a PUT of a row that was there,
// on another node that had not heard of it.
//
// Expiry. Whoever puts a value computes when it expires, and the row says so: every
// node has the same row. From then on readers take it for absent, each by its own
// clock. Rows that expired a while ago are deleted by the metad that was told to
// (--expire-every): one node of a colony, since several would delete the same rows and
// fill the journal. The grace keeps it from deleting what another node renews.
//
// Threads: one Service per thread; `shared` may be called from all of them.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "tests/load/metad/messages.h"
#include "tests/load/metad/reader.h"

namespace metad {

// The parts of a request that count; views of what the caller holds.
struct Request {
  std::string_view method, target, body;
  std::optional<std::string_view> if_match, if_none_match;  // as sent
  bool repeats_a_condition = false;
};

// What the process as a whole knows.
struct Shared {
  std::function<std::string()> stats;  // a JSON document
  std::function<double()> stuck_s;     // for how long the writer has waited for a lock
  // Of the latest commit.
  std::function<std::optional<Failure>()> failure = [] { return std::optional<Failure>(); };
};

inline constexpr std::size_t kKeyBytesMax = 512;
inline constexpr std::size_t kBodyBytesMax = 64 * 1024;
inline constexpr double kStuckSecondsMax = 4;

class Service {
 public:
  using Outcome = std::variant<Response, Write>;

  Service(const std::string& path, Shared shared) : reader_(path), shared_(std::move(shared)) {}

  // An answer, or what must be written (and committed) before there is one. Never throws.
  Outcome handle(const Request& request) noexcept;
  // How many it has handled; from any thread.
  std::uint64_t handled() const { return handled_.load(std::memory_order_relaxed); }

 private:
  Outcome route(const Request& request);
  Response health();

  Reader reader_;
  Shared shared_;
  std::atomic<std::uint64_t> handled_{0};
};

}  // namespace metad
