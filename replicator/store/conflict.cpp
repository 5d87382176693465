#include "replicator/store/conflict.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

namespace colony {
namespace {

// Well-formed UTF-8 without NULs (RFC 3629).
bool is_json_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) -> unsigned {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned lead = byte(i);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    const unsigned second = byte(i + 1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += length;
  }
  return true;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

// The shortest text that gives the same number again, and that is no integer.
std::string real_text(double real) {
  if (std::isinf(real)) return real > 0 ? "9e999" : "-9e999";
  const std::string text = fmt::format("{}", real);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

void append_json(std::string& out, const Value& value) {
  switch (value.type) {
    case ValueType::kInteger:
      out += fmt::format("{}", value.integer);
      return;
    case ValueType::kReal:
      out += real_text(value.real);
      return;
    case ValueType::kText:
      if (is_json_text(value.bytes())) return append_json_string(out, value.bytes());
      [[fallthrough]];
    case ValueType::kBlob:
      out += "{\"hex\":\"";
      for (const char c : value.bytes()) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
      out += "\"}";
      return;
    case ValueType::kNull:
    case ValueType::kUndefined:
      out += "null";
      return;
  }
}

}  // namespace

const char* to_string(ConflictKind kind) {
  switch (kind) {
    case ConflictKind::kInsertExists:
      return "insert_exists";
    case ConflictKind::kUpdateDiffers:
      return "update_differs";
    case ConflictKind::kUpdateMissing:
      return "update_missing";
    case ConflictKind::kDeleteDiffers:
      return "delete_differs";
    case ConflictKind::kDeleteMissing:
      return "delete_missing";
    case ConflictKind::kDisplaced:
      return "displaced";
  }
  return "";
}

std::string to_json(const std::vector<std::string>& columns, const std::vector<Value>& values) {
  std::string out = "{";
  for (std::size_t i = 0; i < values.size() && i < columns.size(); ++i) {
    if (!values[i].defined()) continue;
    if (out.size() > 1) out += ',';
    append_json_string(out, columns[i]);
    out += ':';
    append_json(out, values[i]);
  }
  return out + "}";
}

ConflictJournal::ConflictJournal(Database& db)
    : insert_(db,
              "INSERT INTO __colony_conflicts(sequence, origin, piece, n, kind, table_name, key, lost) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
      forget_(db, "DELETE FROM __colony_conflicts WHERE sequence = 0 AND origin = ?1 AND piece = ?2"),
      settle_(db, "UPDATE __colony_conflicts SET sequence = ?1 WHERE sequence = 0 AND origin = ?2 AND piece = ?3"),
      trim_(db,
            "DELETE FROM __colony_conflicts WHERE (sequence, origin, piece, n) <= (SELECT sequence, origin, piece, n "
            "FROM __colony_conflicts WHERE sequence > 0 ORDER BY sequence DESC, origin DESC, piece DESC, n DESC "
            "LIMIT 1 OFFSET ?1) AND sequence > 0") {}

void ConflictJournal::add(Sequence sequence, std::string_view origin, PieceNumber piece,
                          const std::vector<Conflict>& conflicts) {
  for (std::size_t n = 0; n < conflicts.size(); ++n) {
    const Conflict& conflict = conflicts[n];
    insert_.bind(1, static_cast<std::int64_t>(sequence.value())).bind(2, origin);
    insert_.bind(3, static_cast<std::int64_t>(piece.value())).bind(4, static_cast<std::int64_t>(n));
    insert_.bind(5, std::string_view(to_string(conflict.kind))).bind(6, conflict.table);
    insert_.bind(7, conflict.key).bind(8, conflict.lost);
    insert_.run();
  }
}

void ConflictJournal::forget_pending(std::string_view origin, PieceNumber piece) {
  forget_.bind(1, origin).bind(2, static_cast<std::int64_t>(piece.value())).run();
}

bool ConflictJournal::settle_pending(Sequence sequence, std::string_view origin, PieceNumber piece) {
  settle_.bind(1, static_cast<std::int64_t>(sequence.value())).bind(2, origin);
  settle_.bind(3, static_cast<std::int64_t>(piece.value())).run();
  return sqlite3_changes(sqlite3_db_handle(settle_.handle())) > 0;
}

void ConflictJournal::trim(std::int64_t rows_max) { trim_.bind(1, rows_max).run(); }

}  // namespace colony
