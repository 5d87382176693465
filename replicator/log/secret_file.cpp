#include "replicator/log/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "replicator/log/error.h"

namespace colony {
namespace {

constexpr std::size_t kSecretBytesMax = 64u << 10;

// Closes it at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

// What was opened is what is judged, whatever its name leads to a moment later.
Descriptor open_secret(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error(path + " cannot be read: " + std::strerror(errno));
  struct stat status {};
  if (fstat(file, &status) != 0 || (status.st_mode & S_IROTH) != 0) {
    close(file);
    throw Error(path + " holds a secret, and everybody can read it: chmod 600 " + path);
  }
  return Descriptor(file);
}

}  // namespace

void require_secret_file(const std::string& path) { open_secret(path); }

bool group_can_read(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && (status.st_mode & S_IRGRP) != 0;
}

std::string read_secret(const std::string& path) {
  const Descriptor file = open_secret(path);
  std::string text(kSecretBytesMax, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.number(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(path + " cannot be read: " + std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) throw Error(path + " is empty, and should hold a secret");
  return text;
}

void write_secret(const std::string& path, const std::string& text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.number() < 0 && errno == EEXIST) {
    throw Error(path + " is there already, and is not replaced: choose another name");
  }
  const auto written = file.number() < 0 ? -1 : write(file.number(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || fsync(file.number()) != 0) {
    const std::string why = std::strerror(errno);
    if (file.number() >= 0) unlink(path.c_str());
    throw Error("cannot write " + path + ": " + why);
  }
}

}  // namespace colony
