#include "replicator/snapshot_store/local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "replicator/log/error.h"

namespace colony {

namespace {

bool may_pass(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case ESTALE:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOTCONN:
    case ETIMEDOUT:
    case EMFILE:
    case ENFILE:
      return true;
    default:
      return false;
  }
}

struct stat stat_of(const LocalFile& file) {
  struct stat status;
  if (fstat(file.descriptor(), &status) != 0) throw_system_error(file.path() + " cannot be looked at", errno);
  return status;
}

}  // namespace

void throw_system_error(const std::string& what, int code) {
  const std::string text = what + ": " + std::generic_category().message(code);
  if (may_pass(code)) throw LogUnavailable(text);
  throw Error(text);
}

LocalFile::~LocalFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

LocalFile LocalFile::open_to_read(const std::string& path) {
  LocalFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
  if (file.descriptor() < 0) throw_system_error(path + " cannot be read", errno);
  return file;
}

std::uint64_t LocalFile::bytes() const { return static_cast<std::uint64_t>(stat_of(*this).st_size); }

mode_t LocalFile::mode() const { return stat_of(*this).st_mode & 0777; }

std::size_t LocalFile::read(char* buffer, std::size_t room) const {
  std::size_t filled = 0;
  while (filled < room) {
    const ssize_t got = ::read(descriptor_, buffer + filled, room - filled);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_system_error(path_ + " cannot be read", errno);
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

void LocalFile::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_system_error(path_ + " cannot be written", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void LocalFile::sync() const {
  if (fsync(descriptor_) != 0) throw_system_error(path_ + " cannot be brought to disk", errno);
}

void LocalFile::rewind() const {
  if (lseek(descriptor_, 0, SEEK_SET) != 0) throw_system_error(path_ + " cannot be read again", errno);
}

}  // namespace colony
