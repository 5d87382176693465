#include "sqlite_ext/change_log.h"

#include <cstring>

namespace colony {
namespace {

struct Header {
  std::uint32_t table;
  Operation op;
  std::uint64_t bytes;  // of the whole record
};

}  // namespace

void ChangeLog::append(std::uint32_t table, Operation op, const std::vector<Value>& before,
                       const std::vector<Value>& after) {
  const std::size_t size = bytes_.size();
  try {
    std::string& tail = bytes_.tail();
    const std::size_t start = tail.size();
    tail.resize(start + sizeof(Header));
    for (const Value& value : before) append_value(tail, value);
    for (const Value& value : after) append_value(tail, value);
    const Header header{table, op, tail.size() - start};
    std::memcpy(tail.data() + start, &header, sizeof header);
    bytes_.settle();
  } catch (...) {
    bytes_.truncate(size);
    throw;
  }
}

ChangeLog::Record ChangeLog::at(std::size_t offset) const {
  const char* const start = bytes_.at(offset);
  Header header;
  std::memcpy(&header, start, sizeof header);
  return {header.table, header.op, {start + sizeof header, header.bytes - sizeof header}, offset + header.bytes};
}

}  // namespace colony
