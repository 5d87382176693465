// Bytes that may become many: they are kept on the heap while they are few, and
// beyond that in a temporary file, so that memory does not grow with them. The
// file has no name (it is unlinked at once, and gone when its owner is), is
// readable by its user alone, and is read through a mapping, whose pages the
// kernel takes back when it needs them.
//
// They grow at the end. Views are good until the bytes change again. Threads: one
// at a time. Errors: SpillError when the file cannot be made, written or mapped
// (a full disk, say); what was there before is then still there.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace colony {

class SpillError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct SpillSettings {
  std::string folder;  // of the temporary files; empty: all stays on the heap
  std::size_t heap_bytes_max = 1u << 20;
};

// In the folder of a database, where its write-ahead log finds room too; /tmp may
// be memory. A database that is no file is memory itself, and has no folder.
SpillSettings spill_beside(const char* database_path);

class Spill {
 public:
  Spill() = default;
  explicit Spill(SpillSettings settings) : settings_(std::move(settings)) {}
  Spill(Spill&& other) noexcept { swap(other); }
  Spill& operator=(Spill&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Spill() { release(); }

  std::size_t size() const { return file_bytes_ + tail_.size(); }
  bool empty() const { return size() == 0; }

  void append(std::string_view bytes);
  // The same, and reads `other` through.
  void append(Spill& other);
  // For who writes in place: what is appended here is taken by settle(), all of
  // it or nothing, so that it can be read in one chunk at at().
  std::string& tail() { return tail_; }
  void settle() {
    if (tail_.size() > settings_.heap_bytes_max && !settings_.folder.empty()) write_out();
  }

  void truncate(std::size_t size);
  // Gives the file's room back, too.
  void clear() {
    release();
    tail_.clear();
  }

  // Whether both have the same bytes.
  static bool equal(Spill& a, Spill& b);

  // Where what was appended at `offset` begins.
  const char* at(std::size_t offset) const {
    return offset >= file_bytes_ ? tail_.data() + (offset - file_bytes_) : mapped() + offset;
  }
  // All of it.
  std::string_view view();

  // Who reads from the beginning to the end says how far it has come: pages behind
  // it need not stay in memory. They can still be read.
  void passed(std::size_t offset) const {
    constexpr std::size_t kBytesAtOnce = 4u << 20;
    if (map_ != nullptr && offset - released_ >= kBytesAtOnce) release_pages(offset);
  }

 private:
  void swap(Spill& other) noexcept;
  void release() noexcept;
  void open_file();
  void write_out();
  const char* mapped() const;
  void release_pages(std::size_t offset) const;
  [[noreturn]] void fail(const char* what) const;

  SpillSettings settings_;
  std::string tail_;            // what is not in the file
  std::size_t file_bytes_ = 0;  // that count; the file itself may be longer
  int file_ = -1;
  mutable char* map_ = nullptr;
  mutable std::size_t map_bytes_ = 0;
  mutable std::size_t released_ = 0;
};

}  // namespace colony
