#include "replicator/wal/wal_mark.h"

#include <array>
#include <charconv>

#include "replicator/store/file_layout.h"

namespace colony {

// `number salt salt frame checksum checksum`, hexadecimal.
std::string to_text(const WalMark& mark) {
  std::string text;
  const auto add = [&](std::uint64_t number) {
    std::array<char, 16> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    if (!text.empty()) text += ' ';
    text.append(digits.data(), end);
  };
  add(mark.number);
  add(mark.end.salt[0]);
  add(mark.end.salt[1]);
  add(mark.end.frame);
  add(mark.end.checksum[0]);
  add(mark.end.checksum[1]);
  return text;
}

std::optional<WalMark> parse_wal_mark(std::string_view text) {
  WalMark mark;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto take = [&](auto& number) {
    if (at != text.data() && (at == end || *at++ != ' ')) return false;
    const auto read = std::from_chars(at, end, number, 16);
    at = read.ptr;
    return read.ec == std::errc();
  };
  const bool is_whole = take(mark.number) && take(mark.end.salt[0]) && take(mark.end.salt[1]) && take(mark.end.frame) &&
                        take(mark.end.checksum[0]) && take(mark.end.checksum[1]) && at == end;
  return is_whole ? std::optional(mark) : std::nullopt;
}

std::optional<WalMark> read_wal_mark(Database& db) {
  Statement select(db, "SELECT value FROM __colony_meta WHERE key = ?1");
  select.bind(1, kWalMarkKey);
  return select.step() ? parse_wal_mark(select.blob(0)) : std::nullopt;
}

void write_wal_mark(Database& db, const WalMark& mark) {
  const std::string text = to_text(mark);
  Statement set(db, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES(?1, ?2)");
  set.bind(1, kWalMarkKey).bind_blob(2, text).run();
}

void count_own_transaction(Database& db) {
  if (!has_layout(db) || capture_mode(db) != CaptureMode::kSession) return;
  const std::optional<WalMark> before = read_wal_mark(db);
  write_wal_mark(db, {(before ? before->number : 0) + 1, {}});
}

}  // namespace colony
