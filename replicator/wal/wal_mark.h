// How far a file's write-ahead log is captured: in its meta record `wal_mark`.
//
// Each transaction of Colony's that changes a file writes another mark. So it is told from those
// of programs, and in wal mode whoever reads the log knows that all before it was captured. In
// session mode only its number means something. It is stored as a blob, whatever the encoding of the file's text, and
// short enough to stand on one page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replicator/store/sqlite.h"
#include "replicator/wal/wal_log.h"

namespace colony {

inline constexpr std::string_view kWalMarkKey = "wal_mark";

struct WalMark {
  std::uint64_t number = 0;  // another one each time
  WalEnd end;                // of the log when the write lock was taken: captured up to there
  bool operator==(const WalMark&) const = default;
};

std::string to_text(const WalMark& mark);
std::optional<WalMark> parse_wal_mark(std::string_view text);

std::optional<WalMark> read_wal_mark(Database& db);
// Within the caller's write transaction.
void write_wal_mark(Database& db, const WalMark& mark);
// The next one of a file in session mode, likewise. Does nothing to any other file.
void count_own_transaction(Database& db);

}  // namespace colony
