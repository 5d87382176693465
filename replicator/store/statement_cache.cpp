#include "replicator/store/statement_cache.h"

namespace colony {

void StatementCache::prepare(Place& place, const std::string& sql) {
  place.statement_ = Statement(db_, sql);
  place.cache_ = this;
  place.bytes_ = static_cast<std::size_t>(sqlite3_stmt_status(place.statement_.handle(), SQLITE_STMTSTATUS_MEMUSED, 0));
  bytes_ += place.bytes_;
  ++statements_;
  link(place);
  while (bytes_ > bytes_max_ && oldest_ != &place) release(*oldest_);
}

void StatementCache::release(Place& place) {
  unlink(place);
  place.cache_ = nullptr;
  place.statement_ = Statement();
  bytes_ -= place.bytes_;
  --statements_;
}

void StatementCache::link(Place& place) {
  place.older_ = newest_;
  place.newer_ = nullptr;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = &place;
  newest_ = &place;
}

void StatementCache::unlink(Place& place) {
  (place.newer_ != nullptr ? place.newer_->older_ : newest_) = place.older_;
  (place.older_ != nullptr ? place.older_->newer_ : oldest_) = place.newer_;
}

}  // namespace colony
