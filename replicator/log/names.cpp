#include "replicator/log/names.h"

#include <algorithm>

namespace colony {

bool is_valid_name(std::string_view name) {
  constexpr std::size_t kLengthMax = 32;
  return !name.empty() && name.size() <= kLengthMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace colony
