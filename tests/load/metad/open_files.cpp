#include "tests/load/metad/open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace load {

std::uint64_t raise_open_files_up_to(std::uint64_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  // Only root may raise the hard limit, and a container may not let it.
  const rlimit more{wanted, std::max<rlim_t>(wanted, limit.rlim_max)};
  if (setrlimit(RLIMIT_NOFILE, &more) == 0) return wanted;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void raise_open_files(std::uint64_t wanted) {
  const std::uint64_t got = raise_open_files_up_to(wanted);
  if (got >= wanted) return;
  throw std::runtime_error("this process may open " + std::to_string(got) + " files and needs " +
                           std::to_string(wanted) + ": run it as root, or first `ulimit -n " + std::to_string(wanted) +
                           "` (if that is refused, raise nofile in /etc/security/limits.conf, or LimitNOFILE= of "
                           "its unit)");
}

}  // namespace load
