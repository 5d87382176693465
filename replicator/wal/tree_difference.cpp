#include "replicator/wal/tree_difference.h"

#include <cstring>

namespace colony {

TreeDifference::TreeDifference(PageVersions& pages, PageNumber root_before, const WrittenPages& written,
                               PageNumber root_after, bool by_rowid)
    : by_rowid_(by_rowid) {
  TreeRows before(pages, nullptr, root_before), after(pages, &written, root_after);
  StoredRow was, is;
  for (bool has_was = true, has_is = true; has_was || has_is;) {
    has_was = has_was && before.next(was);
    has_is = has_is && after.next(is);
    if (has_was && has_is && was.record == is.record && (!by_rowid_ || was.rowid == is.rowid)) continue;
    if (has_was) take(was, gone_, new_);
    if (has_is) take(is, new_, gone_);
  }
}

void TreeDifference::take(const StoredRow& row, Rows& rows, Rows& others) {
  const std::int64_t rowid = by_rowid_ ? row.rowid : 0;
  std::string key(sizeof rowid, '\0');
  std::memcpy(key.data(), &rowid, sizeof rowid);
  key += row.record;
  if (const auto same = others.find(key); same != others.end()) {
    if (--same->second == 0) others.erase(same);
  } else {
    ++rows[std::move(key)];
  }
}

void TreeDifference::for_each(const Rows& rows, const Visit& visit) {
  for (const auto& [key, count] : rows) {
    StoredRow row;
    std::memcpy(&row.rowid, key.data(), sizeof row.rowid);
    row.record = std::string_view(key).substr(sizeof row.rowid);
    for (int i = 0; i < count; ++i) visit(row);
  }
}

}  // namespace colony
