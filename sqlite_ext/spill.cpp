#include "sqlite_ext/spill.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr std::size_t kCopiedAtOnce = 256u << 10;

// -1 and errno if it cannot be made. Where the file system cannot make it without a
// name, it has one for a moment, and a crash just then leaves an empty file.
int make_nameless_file(const std::string& folder) {
  const int file = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return file;
  std::string name = folder + "/.colony-XXXXXX";
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

}  // namespace

SpillSettings spill_beside(const char* database_path) {
  SpillSettings settings;
  struct stat file {};
  if (database_path == nullptr || stat(database_path, &file) != 0 || !S_ISREG(file.st_mode)) return settings;
  const std::string path = database_path;
  const std::size_t slash = path.rfind('/');
  settings.folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return settings;
}

void Spill::swap(Spill& other) noexcept {
  std::swap(settings_, other.settings_);
  std::swap(tail_, other.tail_);
  std::swap(file_bytes_, other.file_bytes_);
  std::swap(file_, other.file_);
  std::swap(map_, other.map_);
  std::swap(map_bytes_, other.map_bytes_);
  std::swap(released_, other.released_);
}

void Spill::release() noexcept {
  if (map_ != nullptr) munmap(map_, map_bytes_);
  if (file_ >= 0) close(file_);
  map_ = nullptr;
  map_bytes_ = released_ = file_bytes_ = 0;
  file_ = -1;
}

void Spill::fail(const char* what) const {
  throw SpillError(std::string("cannot ") + what + " a temporary file in " + settings_.folder + ": " +
                   std::strerror(errno) + (errno == ENOSPC ? "; a large transaction needs room there" : ""));
}

void Spill::open_file() {
  const int file = make_nameless_file(settings_.folder);
  if (file < 0) fail("make");
  COLONY_STEP("spill.file_made");
  // Not one of the numbers that a program which has closed them takes for its
  // standard streams.
  file_ = file > STDERR_FILENO ? file : fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (file_ == file) return;
  const int why = errno;
  close(file);
  errno = why;
  if (file_ < 0) fail("make");
}

// By pwrite(): what has no room on the disk is an error here, where writing to a
// mapping would end the process.
void Spill::write_out() {
  if (tail_.empty()) return;
  if (file_ < 0) open_file();
  for (std::size_t done = 0; done < tail_.size();) {
    const ssize_t written =
        pwrite(file_, tail_.data() + done, tail_.size() - done, static_cast<off_t>(file_bytes_ + done));
    if (written < 0 && errno != EINTR) fail("write");
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  COLONY_STEP("spill.written");
  file_bytes_ += tail_.size();
  tail_.clear();
}

// Chunk by chunk, or all of it would be in memory once.
void Spill::append(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += kCopiedAtOnce) {
    tail_.append(bytes.substr(at, kCopiedAtOnce));
    settle();
  }
}

void Spill::append(Spill& other) {
  const std::string_view bytes = other.view();
  for (std::size_t at = 0; at < bytes.size(); at += kCopiedAtOnce) {
    append(bytes.substr(at, kCopiedAtOnce));
    other.passed(at);
  }
}

bool Spill::equal(Spill& a, Spill& b) {
  const std::string_view here = a.view(), there = b.view();
  bool same = here.size() == there.size();
  for (std::size_t at = 0; same && at < here.size(); at += kCopiedAtOnce) {
    same = here.substr(at, kCopiedAtOnce) == there.substr(at, kCopiedAtOnce);
    a.passed(at);
    b.passed(at);
  }
  return same;
}

void Spill::truncate(std::size_t size) {
  if (size >= file_bytes_) {
    tail_.resize(size - file_bytes_);
  } else {
    file_bytes_ = size;
    tail_.clear();
  }
}

const char* Spill::mapped() const {
  if (map_bytes_ >= file_bytes_) return map_;
  void* const map = map_ == nullptr ? mmap(nullptr, file_bytes_, PROT_READ, MAP_SHARED, file_, 0)
                                    : mremap(map_, map_bytes_, file_bytes_, MREMAP_MAYMOVE);
  if (map == MAP_FAILED) fail("map");
  map_ = static_cast<char*>(map);
  map_bytes_ = file_bytes_;
  return map_;
}

std::string_view Spill::view() {
  if (file_ < 0) return tail_;
  write_out();
  return {file_bytes_ == 0 ? "" : mapped(), file_bytes_};
}

void Spill::release_pages(std::size_t offset) const {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (offset < released_) released_ = 0;  // read once more
  const std::size_t end = std::min(offset, map_bytes_) / page * page;
  // Of a shared mapping this drops no byte: what is read again comes from the file.
  if (end > released_) madvise(map_ + released_, end - released_, MADV_DONTNEED);
  released_ = end;
}

}  // namespace colony
