#include "replicator/file/staging_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "replicator/log/error.h"

namespace colony {

StagingFile::StagingFile(std::string path, mode_t mode) : path_(std::move(path)) {
  remove();
  const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) throw Error("cannot create " + path_ + ": " + std::strerror(errno));
  close(file);
}

StagingFile::~StagingFile() { remove(); }

void StagingFile::remove() const {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path_ + suffix).c_str());
}

void StagingFile::finish_as(const std::string& name) const {
  if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) return;
  // Not every file system can do that.
  const bool unsupported = errno == EINVAL || errno == ENOSYS;
  if (unsupported && access(name.c_str(), F_OK) != 0 && rename(path_.c_str(), name.c_str()) == 0) return;
  throw Error("cannot create " + name + ": " + std::strerror(errno));
}

void remove_staging_files(const std::string& database, const std::string& suffix) {
  const std::filesystem::path path(database);
  const std::string prefix = path.filename().string() + suffix;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const pid_t owner = std::atoi(name.c_str() + prefix.size());
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) std::filesystem::remove(entry.path(), ignored);
  }
}

mode_t mode_of(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 ? file.st_mode & 0666 : 0600;
}

}  // namespace colony
