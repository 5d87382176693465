#include "replicator/node/unfinished_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "replicator/log/error.h"

namespace colony {

UnfinishedFile::UnfinishedFile(std::string path, mode_t mode) : path_(std::move(path)) {
  remove();
  const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) throw Error("cannot create " + path_ + ": " + std::strerror(errno));
  close(file);
}

UnfinishedFile::~UnfinishedFile() { remove(); }

void UnfinishedFile::remove() const {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path_ + suffix).c_str());
}

void UnfinishedFile::finish_as(const std::string& name) const {
  if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) return;
  // Not every file system can do that.
  const bool unsupported = errno == EINVAL || errno == ENOSYS;
  if (unsupported && access(name.c_str(), F_OK) != 0 && rename(path_.c_str(), name.c_str()) == 0) return;
  throw Error("cannot create " + name + ": " + std::strerror(errno));
}

mode_t mode_of(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 ? file.st_mode & 0666 : 0600;
}

}  // namespace colony
