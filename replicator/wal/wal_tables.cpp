#include "replicator/wal/wal_tables.h"

#include <limits>
#include <optional>
#include <utility>

#include "replicator/store/file_layout.h"
#include "replicator/wal/tree_rows.h"

namespace colony {
namespace {

// It has no key, and SQLite tells nothing of it.
CapturedTable schema_table() {
  CapturedTable table;
  table.header.name = "sqlite_schema";
  for (const char* name : {"type", "name", "tbl_name", "rootpage", "sql"}) {
    CapturedColumn column;
    column.name = name;
    column.declared_index = column.stored_index = static_cast<int>(table.columns.size());
    table.columns.push_back(column);
    table.header.key.push_back(0);
  }
  return table;
}

constexpr const char* kOutboxTable = "__colony_outbox";

// Null if SQLite alone cannot make the table.
std::shared_ptr<RowDecoder> decoder_of(const std::string& name, const std::string& sql, const PageFormat& format) {
  try {
    Database scratch("", Database::Mode::kReadWrite);
    scratch.execute(sql);
    std::optional<CapturedTable> table = load_captured_table(scratch.handle(), "main", name);
    return table ? std::make_shared<RowDecoder>(std::move(*table), format) : nullptr;
  } catch (const SqliteError&) {
    return nullptr;
  }
}

}  // namespace

WalTables::WalTables(Database& db, const PageFormat& format, Outbox outbox) {
  std::optional<ReadTransaction> reading;
  if (!db.in_transaction()) reading.emplace(db);
  roots_.push_back(1);
  decoders_.push_back(std::make_shared<RowDecoder>(schema_table(), format));
  add_all(replicated_tables(db), outbox, [&](const std::string& name) { add(db, name, format); });
}

void WalTables::add_all(const std::vector<std::string>& replicated, Outbox outbox,
                        const std::function<void(const std::string& name)>& add_one) {
  add_one("__colony_meta");
  add_one("__colony_tables");
  for (const std::string& table : replicated) add_one(table);
  if (outbox == Outbox::kNotWatched) return;
  add_one(kOutboxTable);
  const auto found = trees_.find(kOutboxTable);
  if (found != trees_.end()) outbox_ = found->second.first;
}

// A table that is missing is left to those who judge the schema.
void WalTables::add(Database& db, const std::string& name, const PageFormat& format) {
  Statement root(db, "SELECT rowid, rootpage, sql FROM sqlite_schema WHERE type = 'table' AND name = ?1");
  std::optional<CapturedTable> table = load_captured_table(db.handle(), "main", name);
  if (!root.bind(1, std::string_view(name)).step() || !table) return;
  add(name, {root.integer(0), static_cast<PageNumber>(root.integer(1)), std::string(root.text(2))},
      std::make_shared<RowDecoder>(std::move(*table), format));
}

void WalTables::add(const std::string& name, const Place& place, std::shared_ptr<RowDecoder> decoder) {
  if (decoders_.size() == std::numeric_limits<TreeNumber>::max() - 1) throw Error("too many tables");
  roots_.push_back(place.root);
  decoders_.push_back(std::move(decoder));
  trees_[name] = {static_cast<TreeNumber>(decoders_.size()), place};
}

TreeNumber WalTables::tree(const std::string& table) const {
  const auto found = trees_.find(table);
  return found == trees_.end() ? TreeNumber{0} : found->second.first;
}

bool WalTables::stays(TreeNumber tree, const WalTables& later) const {
  const std::string& name = table(tree).header.name;
  const auto mine = trees_.find(name), theirs = later.trees_.find(name);
  return mine != trees_.end() && theirs != later.trees_.end() && mine->second.second == theirs->second.second;
}

std::map<std::string, WalTables::Place> WalTables::places_after(PageVersions& pages, const WrittenPages& written) {
  std::map<std::string, Place> places;
  DecodedRow row;
  TreeRows schema(pages, &written, 1);
  for (StoredRow stored; schema.next(stored);) {
    decoder(kSchema).decode(stored, row);
    if (row.values[0].bytes() != "table" || row.values[4].type != ValueType::kText) continue;
    places[std::string(row.values[1].bytes())] = {stored.rowid, static_cast<PageNumber>(row.values[3].integer),
                                                  std::string(row.values[4].bytes())};
  }
  return places;
}

WalTables WalTables::after(PageVersions& pages, const WrittenPages& written) {
  const std::map<std::string, Place> places = places_after(pages, written);
  WalTables later;
  later.roots_.push_back(1);
  later.decoders_.push_back(decoders_.front());
  const auto add_one = [&](const std::string& name) {
    const auto place = places.find(name);
    if (place == places.end()) return;
    const auto known = trees_.find(name);
    if (known != trees_.end() && known->second.second.sql == place->second.sql) {
      return later.add(name, place->second, decoders_[known->second.first - std::size_t{1}]);
    }
    if (auto made = decoder_of(name, place->second.sql, pages.format())) later.add(name, place->second, made);
  };
  std::vector<std::string> replicated;
  const auto list = places.find("__colony_tables");
  if (list != places.end() && list->second.root != 0) {
    DecodedRow row;
    TreeRows rows(pages, &written, list->second.root);
    for (StoredRow stored; rows.next(stored);) {
      if (decoder(kList).decode(stored, row)) replicated.emplace_back(row.values[0].bytes());
    }
  }
  later.add_all(replicated, outbox_ == 0 ? Outbox::kNotWatched : Outbox::kWatched, add_one);
  if (later.decoders_.size() < kList) throw WalLost("Colony's own tables are gone");
  return later;
}

}  // namespace colony
