#include "replicator/wal/record.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "replicator/wal/btree_page.h"

namespace colony {
namespace {

std::int64_t big_endian_signed(std::string_view bytes) {
  std::uint64_t value = (bytes[0] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

Value real_value(std::int64_t bits) {
  const double real = std::bit_cast<double>(bits);
  return std::isnan(real) ? Value::null() : Value::of_real(real);
}

constexpr std::size_t kIntegerBytes[] = {0, 1, 2, 3, 4, 6, 8};  // by serial type

// False if there is no such type, or the body is too short for it.
bool take_field(std::uint64_t serial_type, std::string_view& body, Value& value) {
  constexpr std::uint64_t kReal = 7, kZero = 8, kOne = 9, kFirstBlob = 12;
  if (serial_type == 0) {
    value = Value::null();
    return true;
  }
  if (serial_type == kZero || serial_type == kOne) {
    value = Value::of_integer(serial_type == kOne ? 1 : 0);
    return true;
  }
  if (serial_type > kReal && serial_type < kFirstBlob) return false;
  const std::uint64_t size = serial_type >= kFirstBlob ? (serial_type - kFirstBlob) / 2
                             : serial_type == kReal    ? 8
                                                       : kIntegerBytes[serial_type];
  if (size > body.size()) return false;
  const std::string_view bytes = body.substr(0, size);
  body.remove_prefix(size);
  if (serial_type >= kFirstBlob) {
    value = serial_type % 2 == 0 ? Value::of_blob(bytes) : Value::of_text(bytes);
  } else {
    const std::int64_t integer = big_endian_signed(bytes);
    value = serial_type == kReal ? real_value(integer) : Value::of_integer(integer);
  }
  return true;
}

}  // namespace

bool read_record(std::string_view record, std::vector<Value>& values) {
  values.clear();
  std::string_view rest = record;
  std::uint64_t header_bytes = 0;
  if (!take_sqlite_varint(rest, header_bytes)) return false;
  const std::size_t size_bytes = record.size() - rest.size();
  if (header_bytes < size_bytes || header_bytes > record.size()) return false;
  std::string_view types = rest.substr(0, header_bytes - size_bytes), body = record.substr(header_bytes);
  while (!types.empty()) {
    std::uint64_t serial_type = 0;
    if (!take_sqlite_varint(types, serial_type) || !take_field(serial_type, body, values.emplace_back())) return false;
  }
  return true;
}

}  // namespace colony
