#include "replicator/snapshot_store/store_credentials.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace colony {

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets variables
  return value == nullptr ? "" : value;
}

std::string home_folder() {
  const std::string home = environment("HOME");
  if (!home.empty()) return home;
  const passwd* entry = getpwuid(getuid());  // NOLINT(concurrency-mt-unsafe): stores are opened by one thread
  return entry == nullptr ? "" : entry->pw_dir;
}

CurlAccess access_by_password(const StoreUrl& url) {
  CurlAccess access;
  access.user = url.user.empty() ? environment("COLONY_STORE_USER") : url.user;
  access.password = url.password.empty() ? environment("COLONY_STORE_PASSWORD") : url.password;
  return access;
}

}  // namespace colony
