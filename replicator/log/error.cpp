#include "replicator/log/error.h"

#include <cstdio>
#include <cstdlib>

namespace colony {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "colony: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace colony
