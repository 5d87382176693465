// A row as a b-tree stores it.
#pragma once

#include <cstdint>
#include <string_view>

namespace colony {

struct StoredRow {
  std::int64_t rowid = 0;   // of a table that has them
  std::string_view record;  // all of it
};

}  // namespace colony
