// The tables of one state of a file whose pages are watched: those that are replicated, and
// those that tell of the schema and of Colony's own transactions.
//
// Threads: one. Errors: SqliteError.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "replicator/store/sqlite.h"
#include "replicator/wal/page_versions.h"
#include "replicator/wal/row_decoder.h"
#include "replicator/wal/tree_map.h"

namespace colony {

class WalTables {
 public:
  // The trees that every file has.
  static constexpr TreeNumber kSchema = 1;  // sqlite_schema
  static constexpr TreeNumber kMeta = 2;    // __colony_meta
  static constexpr TreeNumber kList = 3;    // __colony_tables
  static constexpr TreeNumber kFirst = 4;   // of the replicated ones

  enum class Outbox { kNotWatched, kWatched };

  WalTables() = default;
  // As `db` sees them now, in its open transaction or in one of its own.
  WalTables(Database& db, const PageFormat& format, Outbox outbox = Outbox::kNotWatched);

  // As the pages say that they are after `written`. A table whose statement has changed, and can
  // be made only with functions of a program, is missing.
  WalTables after(PageVersions& pages, const WrittenPages& written);

  // Of __colony_outbox; 0 if that is not watched.
  TreeNumber outbox() const { return outbox_; }
  // 0: it is not watched.
  TreeNumber tree(const std::string& table) const;
  bool is_replicated(TreeNumber tree) const { return tree >= kFirst && tree != outbox_; }
  // Whether this table is still the same, and where it was.
  bool stays(TreeNumber tree, const WalTables& later) const;

  // By the trees' numbers, minus 1.
  const std::vector<PageNumber>& roots() const { return roots_; }
  TreeNumber end() const { return static_cast<TreeNumber>(decoders_.size() + 1); }
  RowDecoder& decoder(TreeNumber tree) { return *decoders_[tree - std::size_t{1}]; }
  const CapturedTable& table(TreeNumber tree) const { return decoders_[tree - std::size_t{1}]->table(); }

 private:
  struct Place {
    std::int64_t rowid = 0;  // in sqlite_schema
    PageNumber root = 0;
    std::string sql;
    bool operator==(const Place&) const = default;
  };

  void add_all(const std::vector<std::string>& replicated, Outbox outbox,
               const std::function<void(const std::string& name)>& add_one);
  void add(Database& db, const std::string& name, const PageFormat& format);
  void add(const std::string& name, const Place& place, std::shared_ptr<RowDecoder> decoder);
  std::map<std::string, Place> places_after(PageVersions& pages, const WrittenPages& written);

  std::vector<PageNumber> roots_;
  std::vector<std::shared_ptr<RowDecoder>> decoders_;  // which copies share
  std::map<std::string, std::pair<TreeNumber, Place>> trees_;
  TreeNumber outbox_ = 0;
};

}  // namespace colony
