// Prepared statements that a connection keeps for the next time, within a bound: when
// they take more memory than that, those go that were used least lately.
//
// Threads: those of the connection. The cache outlives the places. Errors: SqliteError
// of a statement that cannot be prepared.
#pragma once

#include <cstddef>
#include <string>

#include "replicator/store/sqlite.h"

namespace colony {

class StatementCache {
 public:
  static constexpr std::size_t kBytesMax = 8u << 20;

  explicit StatementCache(Database& db, std::size_t bytes_max = kBytesMax) : db_(db), bytes_max_(bytes_max) {}
  StatementCache(const StatementCache&) = delete;
  StatementCache& operator=(const StatementCache&) = delete;

  Database& db() const { return db_; }
  std::size_t statements() const { return statements_; }
  std::size_t bytes() const { return bytes_; }

  // Where its owner finds one statement again, or not. Stays at its address.
  class Place {
   public:
    Place() = default;
    ~Place() {
      if (cache_ != nullptr) cache_->release(*this);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend class StatementCache;
    StatementCache* cache_ = nullptr;  // null: there is no statement
    Statement statement_;
    std::size_t bytes_ = 0;
    Place *newer_ = nullptr, *older_ = nullptr;
  };

  // The statement of that place, prepared of what `sql()` gives if there is none. It is
  // good until another one is used; the one before it must be done by then.
  template <class Sql>
  Statement& use(Place& place, Sql&& sql) {
    if (place.cache_ == nullptr) {
      prepare(place, sql());
    } else if (newest_ != &place) {
      unlink(place);
      link(place);
    }
    return place.statement_;
  }

 private:
  void prepare(Place& place, const std::string& sql);
  void release(Place& place);
  void link(Place& place);
  void unlink(Place& place);

  Database& db_;
  std::size_t bytes_max_;
  Place *newest_ = nullptr, *oldest_ = nullptr;
  std::size_t statements_ = 0, bytes_ = 0;
};

}  // namespace colony
