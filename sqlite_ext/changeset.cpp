#include "sqlite_ext/changeset.h"

#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

namespace colony {
namespace {

constexpr char kTableSection = 'T';
constexpr std::size_t kColumnsMax = 32767;  // SQLite's own limit

void append_u64(std::string& out, std::uint64_t value) {
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::uint64_t load_u64(const char* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
  return value;
}

// A cursor over bytes; every read checks that they are there.
struct Bytes {
  std::string_view& rest;

  std::string_view take(std::size_t size) {
    if (size > rest.size()) throw ChangesetError("changeset ends in the middle of a value");
    const std::string_view taken = rest.substr(0, size);
    rest.remove_prefix(size);
    return taken;
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) {
      const std::uint8_t b = byte();
      value = (value << 7) | (b & 0x7f);
      if ((b & 0x80) == 0) return value;
    }
    throw ChangesetError("changeset has a length that is too large");
  }
};

}  // namespace

// SQLite's varint: big-endian groups of seven bits. Sizes here stay below 2^56, so the
// nine-byte form is never needed.
void append_varint(std::string& out, std::uint64_t value) {
  char buffer[8];
  int n = sizeof buffer;
  buffer[--n] = static_cast<char>(value & 0x7f);
  while (value >>= 7) buffer[--n] = static_cast<char>((value & 0x7f) | 0x80);
  out.append(buffer + n, sizeof buffer - static_cast<std::size_t>(n));
}

std::uint64_t take_varint(std::string_view& bytes) { return Bytes{bytes}.varint(); }

Value Value::null() {
  Value value;
  value.type = ValueType::kNull;
  return value;
}

Value Value::of_integer(std::int64_t integer) {
  Value value;
  value.type = ValueType::kInteger;
  value.integer = integer;
  return value;
}

Value Value::of_real(double real) {
  Value value;
  value.type = ValueType::kReal;
  value.real = real;
  return value;
}

Value Value::of_text(std::string_view text) {
  Value value;
  value.type = ValueType::kText;
  value.size = static_cast<std::uint32_t>(text.size());
  value.data = text.data();
  return value;
}

Value Value::of_blob(std::string_view blob) {
  Value value = of_text(blob);
  value.type = ValueType::kBlob;
  return value;
}

bool identical(const Value& a, const Value& b) {
  if (a.type != b.type) return false;
  switch (a.type) {
    case ValueType::kUndefined:
    case ValueType::kNull:
      return true;
    case ValueType::kInteger:
      return a.integer == b.integer;
    case ValueType::kReal:
      return std::bit_cast<std::uint64_t>(a.real) == std::bit_cast<std::uint64_t>(b.real);
    case ValueType::kText:
    case ValueType::kBlob:
      return a.bytes() == b.bytes();
  }
  return false;
}

void append_value(std::string& out, const Value& value) {
  out.push_back(static_cast<char>(value.type));
  switch (value.type) {
    case ValueType::kUndefined:
    case ValueType::kNull:
      break;
    case ValueType::kInteger:
      append_u64(out, static_cast<std::uint64_t>(value.integer));
      break;
    case ValueType::kReal:
      append_u64(out, std::bit_cast<std::uint64_t>(value.real));
      break;
    case ValueType::kText:
    case ValueType::kBlob:
      append_varint(out, value.size);
      out.append(value.bytes());
      break;
  }
}

Value take_value(std::string_view& rest) {
  Bytes bytes{rest};
  const auto type = static_cast<ValueType>(bytes.byte());
  switch (type) {
    case ValueType::kUndefined:
      return {};
    case ValueType::kNull:
      return Value::null();
    case ValueType::kInteger:
      return Value::of_integer(static_cast<std::int64_t>(load_u64(bytes.take(8).data())));
    case ValueType::kReal:
      return Value::of_real(std::bit_cast<double>(load_u64(bytes.take(8).data())));
    case ValueType::kText:
    case ValueType::kBlob: {
      const std::uint64_t size = bytes.varint();
      if (size > rest.size()) throw ChangesetError("changeset ends in the middle of a value");
      if (size > std::numeric_limits<std::uint32_t>::max())
        throw ChangesetError("changeset has a value that is too large");
      const std::string_view content = bytes.take(size);
      return type == ValueType::kText ? Value::of_text(content) : Value::of_blob(content);
    }
  }
  throw ChangesetError("changeset has a value of an unknown type");
}

// What stands between the changes of two tables, or before the first.
void ChangesetReader::read_headers() {
  while (!rest_.empty()) {
    Bytes bytes{rest_};
    if (rest_.front() == kTableSection) {
      read_table();
    } else if (rest_.front() == kNamesSection) {
      read_names();
    } else if ((rest_.front() == kSchemaSection || rest_.front() == kBeforeSection) && tables_begun_ == 0 &&
               names_.empty()) {
      bytes.take(1);
      bytes.take(bytes.varint());
    } else {
      break;
    }
  }
  if (!names_.empty()) throw ChangesetError("changeset has the names of no table's columns");
}

void ChangesetReader::read_names() {
  Bytes bytes{rest_};
  if (!names_.empty()) throw ChangesetError("changeset has the names of a table's columns twice");
  table_begin_ = changeset_.bytes.size() - rest_.size();
  bytes.take(1);
  const std::uint64_t columns = bytes.varint();
  if (columns == 0 || columns > kColumnsMax)
    throw ChangesetError("changeset has a table with an impossible number of columns");
  names_.resize(columns);
  for (std::string& name : names_) name = bytes.take(bytes.varint());
}

void ChangesetReader::read_table() {
  Bytes bytes{rest_};
  if (names_.empty()) table_begin_ = changeset_.bytes.size() - rest_.size();
  table_.names = std::exchange(names_, {});
  bytes.take(1);
  const std::uint64_t columns = bytes.varint();
  if (columns == 0 || columns > kColumnsMax)
    throw ChangesetError("changeset has a table with an impossible number of columns");
  const std::string_view key = bytes.take(columns);
  table_.key.assign(key.begin(), key.end());
  const std::size_t end = rest_.find('\0');
  if (end == std::string_view::npos) throw ChangesetError("changeset ends in the middle of a table's name");
  table_.name.assign(bytes.take(end));
  bytes.take(1);
  bool has_key = false;
  for (const std::uint8_t place : table_.key) has_key |= place != 0;
  if (!has_key) throw ChangesetError("changeset has a table without a key");
  if (!table_.names.empty() && table_.names.size() != table_.columns()) {
    throw ChangesetError("changeset has a table with more or fewer columns than names");
  }
  ++tables_begun_;
}

void ChangesetReader::read_record(std::vector<Value>& values) {
  for (Value& value : values) value = take_value(rest_);
}

bool ChangesetReader::next(Change& change) {
  if (changeset_.spill != nullptr) changeset_.spill->passed(changeset_.bytes.size() - rest_.size());
  Bytes bytes{rest_};
  read_headers();
  if (rest_.empty()) return false;
  if (tables_begun_ == 0) throw ChangesetError("changeset does not begin with a table");
  const std::string_view begin = rest_;
  change.op = static_cast<Operation>(bytes.byte());
  bytes.take(1);  // whether a trigger made the change: of no use here
  const bool has_before = change.op != Operation::kInsert;
  const bool has_after = change.op != Operation::kDelete;
  if (change.op != Operation::kInsert && change.op != Operation::kDelete && change.op != Operation::kUpdate) {
    throw ChangesetError("changeset has an unknown operation");
  }
  change.before.assign(has_before ? table_.columns() : 0, Value{});
  change.after.assign(has_after ? table_.columns() : 0, Value{});
  if (has_before) read_record(change.before);
  if (has_after) read_record(change.after);
  record_ = begin.substr(0, begin.size() - rest_.size());

  bool changes_a_column = change.op != Operation::kUpdate;
  for (std::size_t i = 0; i < table_.columns(); ++i) {
    if (change.op != Operation::kUpdate) {
      const Value& value = change.key_value(i);
      if (!value.defined()) throw ChangesetError("changeset has a row that lacks a column");
      if (table_.key[i] != 0 && value.type == ValueType::kNull) throw ChangesetError("changeset has a NULL in a key");
    } else if (table_.key[i] != 0) {
      if (!change.before[i].defined() || change.before[i].type == ValueType::kNull || change.after[i].defined()) {
        throw ChangesetError("changeset has an update without its key");
      }
    } else if (change.before[i].defined() != change.after[i].defined()) {
      throw ChangesetError("changeset has an update with one half of a value");
    }
    changes_a_column |= change.op == Operation::kUpdate && change.after[i].defined();
  }
  if (!changes_a_column) throw ChangesetError("changeset has an update of nothing");
  return true;
}

void ChangesetWriter::name_columns(const std::vector<std::string>& names) {
  out_.push_back(kNamesSection);
  append_varint(out_, names.size());
  for (const std::string& name : names) {
    append_varint(out_, name.size());
    out_ += name;
  }
}

void ChangesetWriter::begin_table(const ChangesetTable& table) {
  if (!table.names.empty()) name_columns(table.names);
  out_.push_back(kTableSection);
  append_varint(out_, table.columns());
  out_.append(reinterpret_cast<const char*>(table.key.data()), table.key.size());
  out_.append(table.name.c_str(), table.name.size() + 1);
}

void ChangesetWriter::add(Operation op, const std::vector<Value>& before, const std::vector<Value>& after) {
  out_.push_back(static_cast<char>(op));
  out_.push_back(0);
  if (op != Operation::kInsert) {
    for (const Value& value : before) append_value(out_, value);
  }
  if (op != Operation::kDelete) {
    for (const Value& value : after) append_value(out_, value);
  }
}

void ChangesetWriter::add_encoded(Operation op, std::string_view values) {
  out_.push_back(static_cast<char>(op));
  out_.push_back(0);
  out_.append(values);
}

namespace {

// Where each table's section begins, with its header.
struct Sections {
  std::vector<std::size_t> begins;
  std::set<std::string> names;
  bool repeated = false;  // a table has more than one

  void add(const std::string& name, std::size_t begin) {
    begins.push_back(begin);
    repeated |= !names.insert(name).second;
  }
};

// Appends the inverse, section by section in their order. `seen`, if given, is told of
// each, and ends it when a table comes a second time.
void append_inverse(ChangesetView changeset, const SpillSettings& spill, Spill& out, Sections* seen) {
  Spill parts[] = {Spill(spill), Spill(spill), Spill(spill)};  // of the table being read
  auto& [deletes, updates, inserts] = parts;
  const auto flush = [&] {
    for (Spill& part : parts) {
      out.append(part);
      part.clear();
    }
  };
  ChangesetReader reader(changeset);
  Change change;
  std::size_t tables = 0;
  while (reader.next(change)) {
    if (tables != reader.tables_begun()) {
      tables = reader.tables_begun();
      if (seen != nullptr) seen->add(reader.table().name, reader.table_begin());
      if (seen != nullptr && seen->repeated) return;
      flush();
      ChangesetWriter(out.tail()).begin_table(reader.table());
    }
    if (change.op == Operation::kInsert) {
      ChangesetWriter(deletes.tail()).add(Operation::kDelete, change.after, {});
      deletes.settle();
    } else if (change.op == Operation::kDelete) {
      ChangesetWriter(inserts.tail()).add(Operation::kInsert, {}, change.before);
      inserts.settle();
    } else {
      for (std::size_t i = 0; i < change.after.size(); ++i) {
        if (reader.table().key[i] == 0) std::swap(change.before[i], change.after[i]);
      }
      ChangesetWriter(updates.tail()).add(change);
      updates.settle();
    }
  }
  flush();
}

Sections sections_of(ChangesetView changeset) {
  Sections sections;
  ChangesetReader reader(changeset);
  Change change;
  std::size_t tables = 0;
  while (reader.next(change)) {
    if (tables == reader.tables_begun()) continue;
    tables = reader.tables_begun();
    sections.add(reader.table().name, reader.table_begin());
  }
  return sections;
}

}  // namespace

Spill invert(ChangesetView changeset, const SpillSettings& spill) {
  Spill out(spill);
  Sections seen;
  append_inverse(changeset, spill, out, &seen);
  if (!seen.repeated) return out;
  out.clear();
  const std::vector<std::size_t> begins = sections_of(changeset).begins;
  std::size_t end = changeset.bytes.size();
  for (auto begin = begins.rbegin(); begin != begins.rend(); ++begin) {
    append_inverse(changeset.bytes.substr(*begin, end - *begin), spill, out, nullptr);
    end = *begin;
  }
  return out;
}

}  // namespace colony
