// Keys of rows, one after the other, as bytes that spill when they are too much for memory.
//
// Threads: one at a time. Errors: SpillError.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "sqlite_ext/spill.h"

namespace colony {

class KeyList {
 public:
  explicit KeyList(SpillSettings settings) : bytes_(std::move(settings)) {}

  void add(std::string_view key) {
    const auto size = static_cast<std::uint32_t>(key.size());
    bytes_.tail().append(reinterpret_cast<const char*>(&size), sizeof size).append(key);
    bytes_.settle();
  }

  // False from visit ends it.
  template <class Visit>
  bool for_each(Visit&& visit) {
    const std::string_view all = bytes_.view();
    for (std::size_t at = 0; at < all.size();) {
      std::uint32_t size = 0;
      all.copy(reinterpret_cast<char*>(&size), sizeof size, at);
      if (!visit(all.substr(at + sizeof size, size))) return false;
      at += sizeof size + size;
      bytes_.passed(at);
    }
    return true;
  }

  void clear() { bytes_.clear(); }

 private:
  Spill bytes_;
};

}  // namespace colony
