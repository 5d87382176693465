// Files of this machine, read and written in slices.
//
// Errors: Error with the path and what the system says; LogUnavailable where the
// same may succeed later (a full disk, a network file system that is away).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace colony {

// Throws what errno `code` amounts to: "`what`: <the system's text>".
[[noreturn]] void throw_system_error(const std::string& what, int code);

class LocalFile {
 public:
  // Takes over `descriptor`, which may be -1.
  LocalFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~LocalFile();
  LocalFile(LocalFile&& other) noexcept : descriptor_(other.descriptor_), path_(std::move(other.path_)) {
    other.descriptor_ = -1;
  }
  LocalFile& operator=(LocalFile&&) = delete;

  static LocalFile open_to_read(const std::string& path);

  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }
  std::uint64_t bytes() const;
  mode_t mode() const;

  // As many as there are, `room` at most; fewer only at the end.
  std::size_t read(char* buffer, std::size_t room) const;
  void write(std::string_view bytes) const;
  void sync() const;
  void rewind() const;

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace colony
