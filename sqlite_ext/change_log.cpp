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

void ChangeLog::append_row(std::uint32_t table, const std::vector<std::uint8_t>& key, std::vector<Value>& before,
                           std::vector<Value>& after) {
  if (before.empty()) return append(table, Operation::kInsert, {}, after);
  if (after.empty()) return append(table, Operation::kDelete, before, {});
  bool same_key = true, changed = false;
  for (std::size_t i = 0; i < key.size(); ++i) same_key &= key[i] == 0 || identical(before[i], after[i]);
  if (!same_key) {
    const std::size_t start = size();
    append(table, Operation::kDelete, before, {});
    try {
      append(table, Operation::kInsert, {}, after);
    } catch (...) {
      truncate(start);
      throw;
    }
    return;
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    const bool differs = !identical(before[i], after[i]);
    changed |= differs;
    if (!differs && key[i] == 0) before[i] = Value{};
    if (!differs || key[i] != 0) after[i] = Value{};
  }
  if (changed) append(table, Operation::kUpdate, before, after);
}

ChangeLog::Record ChangeLog::at(std::size_t offset) const {
  const char* const start = bytes_.at(offset);
  Header header;
  std::memcpy(&header, start, sizeof header);
  return {header.table, header.op, {start + sizeof header, header.bytes - sizeof header}, offset + header.bytes};
}

}  // namespace colony
