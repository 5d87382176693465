#include "replicator/file/deleted_file_holder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>

namespace colony {
namespace {

// Of SQLite's lock bytes, those that everybody holds who has a database in WAL mode
// open (https://sqlite.org/fileformat2.html#the_lock_byte_page).
constexpr off_t kSharedFirst = 0x40000000 + 2;
constexpr off_t kSharedSize = 510;

bool has_open(const std::filesystem::path& process, const std::string& target) {
  std::error_code error;
  for (const auto& descriptor : std::filesystem::directory_iterator(process / "fd", error)) {
    const std::filesystem::path opened = std::filesystem::read_symlink(descriptor.path(), error);
    if (!error && opened.native() == target) return true;
  }
  return false;
}

}  // namespace

pid_t other_user_of(int descriptor) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kSharedFirst;
  lock.l_len = kSharedSize;
  if (fcntl(descriptor, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid > 0 ? lock.l_pid : -1;
}

pid_t holder_of_deleted(const std::string& path) {
  const std::string target = path + " (deleted)";
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = process.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name.front())) == 0) continue;
    const pid_t pid = std::atoi(name.c_str());
    if (pid != getpid() && has_open(process.path(), target)) return pid;
  }
  return 0;
}

}  // namespace colony
