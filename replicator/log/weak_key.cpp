#include "replicator/log/weak_key.h"

#include <algorithm>
#include <iterator>

namespace colony {

// The points of order 1, 2, 4 and 8, by their y; the last bit is the sign of x.
bool is_weak(const PublicKey& key) {
  constexpr const char* kWeak[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                   "0100000000000000000000000000000000000000000000000000000000000000",
                                   "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                   "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                                   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                   // 0 and 1 again, as numbers that were not reduced.
                                   "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                   "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
  PublicKey without_sign = key;
  without_sign.bytes.back() &= 0x7f;
  const std::string y = without_sign.text();
  return std::any_of(std::begin(kWeak), std::end(kWeak), [&](const char* weak) { return y == weak; });
}

}  // namespace colony
