#include "replicator/wal/row_decoder.h"

#include <algorithm>
#include <utility>

#include "replicator/wal/record.h"

namespace colony {
namespace {

// Where each column stands in a record. A table without rowid is stored in the order of its
// key, and what is not in that comes after it.
std::vector<std::size_t> places_of(const CapturedTable& table) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const CapturedColumn& column = table.columns[i];
    auto place = static_cast<std::size_t>(column.stored_index);
    if (table.without_rowid && table.header.key[i] != 0) {
      place = table.header.key[i] - std::size_t{1};
    } else if (table.without_rowid) {
      for (std::size_t k = 0; k < table.columns.size(); ++k) {
        place += table.header.key[k] != 0 && table.columns[k].stored_index > column.stored_index;
      }
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace

RowDecoder::RowDecoder(CapturedTable table, const PageFormat& format)
    : table_(std::move(table)), format_(format), places_(places_of(table_)) {
  for (const CapturedColumn& column : table_.columns) {
    before_it_was_.push_back(column.has_default ? encoded_default(column.type, column.default_sql) : std::string());
  }
  if (format_.encoding == PageFormat::Encoding::kUtf8) return;
  scratch_.reset(SqliteHost::open_scratch());
  echo_ = prepared(scratch_.get(), "SELECT ?1", "cannot convert text");
}

bool RowDecoder::decode(const StoredRow& row, DecodedRow& decoded) {
  if (!read_record(row.record, fields_)) {
    throw WalLost("a row of table " + table_.header.name + " cannot be read: the database may be damaged");
  }
  decoded.values.clear();
  if (scratch_) decoded.converted.resize(table_.columns.size());
  for (std::size_t i = 0; i < table_.columns.size(); ++i) {
    decoded.values.push_back(value(i, row, decoded));
    if (table_.header.key[i] != 0 && decoded.values.back().type == ValueType::kNull) return false;
  }
  return true;
}

Value RowDecoder::value(std::size_t column, const StoredRow& row, DecodedRow& decoded) {
  if (table_.rowid_column == column) return Value::of_integer(row.rowid);
  if (places_[column] >= fields_.size()) {
    std::string_view encoded = before_it_was_[column];
    return encoded.empty() ? Value::null() : take_value(encoded);
  }
  const Value& stored = fields_[places_[column]];
  if (table_.columns[column].real && stored.type == ValueType::kInteger) {
    return Value::of_real(static_cast<double>(stored.integer));
  }
  if (stored.type != ValueType::kText || !scratch_) return stored;
  decoded.converted[column] = utf8(stored);
  return Value::of_text(decoded.converted[column]);
}

// By SQLite itself, whatever the text is.
std::string RowDecoder::utf8(const Value& value) {
  const auto encoding =
      static_cast<unsigned char>(format_.encoding == PageFormat::Encoding::kUtf16Le ? SQLITE_UTF16LE : SQLITE_UTF16BE);
  // SQLite takes a byte order mark away: it shall not be one of the text's own.
  std::string text(encoding == SQLITE_UTF16LE ? "\xff\xfe" : "\xfe\xff");
  text += value.bytes();
  sqlite3_bind_text64(echo_.get(), 1, text.data(), text.size(), SQLITE_STATIC, encoding);
  std::string converted;
  if (sqlite3_step(echo_.get()) == SQLITE_ROW) {
    if (const auto* converted_text = reinterpret_cast<const char*>(sqlite3_column_text(echo_.get(), 0))) {
      converted.assign(converted_text, static_cast<std::size_t>(sqlite3_column_bytes(echo_.get(), 0)));
    }
  }
  sqlite3_reset(echo_.get());
  return converted;
}

}  // namespace colony
