// Loaded with LD_PRELOAD: makes a disk fail as it would, where a test has no right to
// mount one, or where the kernel would not let a disk be taken from who writes to it.
//
// While the file $COLONY_DISK_FAULT is there, every write below $COLONY_DISK_FAULT_IN
// fails with the errno whose number it contains: 28 (no space), 30 (read-only), 5.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int fault_now() {
  static const char* const control = std::getenv("COLONY_DISK_FAULT");
  const int file = control == nullptr ? -1 : open(control, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[16] = {};
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 ? std::atoi(text) : 0;
}

bool is_below(const char* path) {
  static const std::string folder = std::getenv("COLONY_DISK_FAULT_IN") ? std::getenv("COLONY_DISK_FAULT_IN") : "/";
  return std::strncmp(path, folder.c_str(), folder.size()) == 0;
}

// True, with errno set, if writing there fails now.
bool fails(int descriptor) {
  const int saved = errno;
  const int fault = fault_now();
  char path[PATH_MAX] = {};
  const bool hit = fault != 0 &&
                   readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), path, sizeof path - 1) > 0 &&
                   is_below(path);
  errno = hit ? fault : saved;
  return hit;
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  return fails(descriptor) ? -1 : real(descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return fails(descriptor) ? -1 : real(descriptor, bytes, size, at);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t at) {
  static auto* const real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return fails(descriptor) ? -1 : real(descriptor, bytes, size, at);
}

int ftruncate64(int descriptor, off64_t size) {
  static auto* const real = next<int(int, off64_t)>("ftruncate64");
  return fails(descriptor) ? -1 : real(descriptor, size);
}

int fdatasync(int descriptor) {
  static auto* const real = next<int(int)>("fdatasync");
  return fails(descriptor) ? -1 : real(descriptor);
}

}  // extern "C"
