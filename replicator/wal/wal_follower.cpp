#include "replicator/wal/wal_follower.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "replicator/wal/tree_difference.h"
#include "replicator/wal/tree_rows.h"

namespace colony {
namespace {

// Of __colony_meta: this node has a schema change that the log does not have yet.
constexpr std::string_view kUnconfirmedKey = "unconfirmed";

}  // namespace

WalFollower::WalFollower(const WalLog& log, const WalEnd& base, WalTables tables, std::uint64_t mark_number,
                         TransactionSink& sink, SpillSettings spill)
    : pages_(log, base), sink_(sink), log_(std::move(spill)), mark_number_(mark_number) {
  set_tables(std::move(tables));
}

void WalFollower::set_tables(WalTables tables) {
  tables_ = std::move(tables);
  map_.build(pages_, tables_.roots());
  plain_.clear();
  named_.clear();
  for (TreeNumber tree = 1; tree < tables_.end(); ++tree) {
    plain_.push_back(tree < WalTables::kFirst ? ChangesetTable{} : tables_.table(tree).header);
    named_.push_back(plain_.back());
    if (tree < WalTables::kFirst) continue;
    for (const CapturedColumn& column : tables_.table(tree).columns) named_.back().names.push_back(column.name);
  }
}

WalFollower::Stop WalFollower::read(const WalEnd& end, std::size_t frames_max, const OnOwn& on_own) {
  // Whoever keeps the state lets the log be begun anew only when there was nothing after it.
  if (end.salt != pages_.salt()) pages_.begin_anew(end.salt);
  const FrameNumber begin = pages_.frame();
  WrittenPages written;
  while (pages_.next(end.frame, written)) {
    if (take(written, on_own) == Kind::kSchemaChange) return Stop::kSchemaChange;
    if (pages_.frame() - begin >= frames_max) return pages_.frame() < end.frame ? Stop::kFrames : Stop::kEnd;
  }
  return Stop::kEnd;
}

WrittenPages WalFollower::rest(const WalEnd& end) {
  WrittenPages written;
  pages_.rest(end.frame, written);
  if (mark_after(written)) throw WalLost("a program and another process of Colony's have changed the schema");
  return written;
}

void WalFollower::look_at(const WrittenPages& written, const PageChanges::Wanted& wanted,
                          const PageChanges::Visit& visit) {
  PageChanges changes(pages_, map_, written, wanted);
  for (TreeNumber tree = WalTables::kFirst; tree < tables_.end(); ++tree) {
    if (wanted(tree) && changes.concerns(tree)) changes.for_each(tree, visit);
  }
}

void WalFollower::take_with_schema(const WrittenPages& written, WalTables after) {
  {
    PageChanges changes(pages_, map_, written,
                        [&](TreeNumber tree) { return tree >= WalTables::kFirst && tables_.stays(tree, after); });
    take_rows(changes, &after);
  }
  pages_.advance(written);
  set_tables(std::move(after));
}

void WalFollower::skip_to(const WalEnd& end, WalTables tables) {
  if (end.salt != pages_.salt()) pages_.begin_anew(end.salt);
  WrittenPages written;
  if (pages_.rest(end.frame, written)) pages_.advance(written);
  set_tables(std::move(tables));
}

WalFollower::Kind WalFollower::take(const WrittenPages& written, const OnOwn& on_own) {
  std::optional<WalMark> mark;
  if (changes_schema(written, mark)) {
    if (!mark && only_moves_tables(written)) {
      take_moved(written);
      return Kind::kRows;
    }
    if (!mark) return Kind::kSchemaChange;
    take_own(*mark, written, nullptr, on_own);
    return Kind::kOwn;
  }
  PageChanges changes(pages_, map_, written);
  mark = mark_in(changes);
  if (mark) {
    take_own(*mark, written, &changes, on_own);
    return Kind::kOwn;
  }
  take_rows(changes);
  changes.settle();
  pages_.advance(written);
  return Kind::kRows;
}

namespace {

// What there is, without where it is.
std::multiset<std::string> objects_of(PageVersions& pages, const WrittenPages* written, RowDecoder& decoder) {
  std::multiset<std::string> objects;
  DecodedRow row;
  TreeRows schema(pages, written, 1);
  for (StoredRow stored; schema.next(stored);) {
    decoder.decode(stored, row);
    std::string object;
    for (const std::size_t column : {0, 1, 2, 4}) append_value(object, row.values[column]);
    objects.insert(std::move(object));
  }
  return objects;
}

}  // namespace

// VACUUM gives tables other first pages, and leaves the schema as it is.
bool WalFollower::only_moves_tables(const WrittenPages& written) {
  RowDecoder& decoder = tables_.decoder(WalTables::kSchema);
  return objects_of(pages_, nullptr, decoder) == objects_of(pages_, &written, decoder);
}

void WalFollower::take_moved(const WrittenPages& written) {
  WalTables after = tables_.after(pages_, written);
  {
    PageChanges changes(pages_, map_, written,
                        [&](TreeNumber tree) { return tree >= WalTables::kFirst && tables_.stays(tree, after); });
    for (TreeNumber tree = WalTables::kFirst; tree < tables_.end(); ++tree) {
      if (tables_.is_replicated(tree) && !tables_.stays(tree, after)) record_moved(written, tree, after);
    }
    take_rows(changes, &after);
  }
  pages_.advance(written);
  set_tables(std::move(after));
}

// Nothing, as a rule.
void WalFollower::record_moved(const WrittenPages& written, TreeNumber tree, const WalTables& after) {
  const CapturedTable& table = tables_.table(tree);
  const PageNumber root = after.roots()[after.tree(table.header.name) - std::size_t{1}];
  const TreeDifference difference(pages_, tables_.roots()[tree - std::size_t{1}], written, root,
                                  table.rowid_column.has_value());
  std::vector<Value> none;
  difference.for_each_gone([&](const StoredRow& row) {
    if (decode(tree, &row, before_)) log_.append_row(tree, table.header.key, before_.values, none);
  });
  difference.for_each_new([&](const StoredRow& row) {
    if (decode(tree, &row, after_)) log_.append_row(tree, table.header.key, none, after_.values);
  });
}

// `changes`, if the trees are where they were.
void WalFollower::take_own(const WalMark& mark, const WrittenPages& written, PageChanges* changes,
                           const OnOwn& on_own) {
  const bool changes_tables = changes == nullptr || changes->concerns(WalTables::kList);
  std::optional<WalTables> tables = on_own(mark, written.last, changes_tables);
  if (!changes_tables) changes->settle();
  pages_.advance(written);
  if (tables) set_tables(std::move(*tables));
}

// And the mark, if it does.
bool WalFollower::changes_schema(const WrittenPages& written, std::optional<WalMark>& mark) {
  const bool may = std::any_of(written.frames.begin(), written.frames.end(), [&](const auto& page) {
    const TreeMap::Place place = map_.at(page.first);
    return place.kind == TreeMap::Kind::kTree && place.tree == WalTables::kSchema;
  });
  if (!may) return false;
  PageChanges changes(pages_, map_, written, [](TreeNumber tree) { return tree == WalTables::kSchema; });
  if (!changes_schema(changes)) return false;
  mark = mark_after(written);
  return true;
}

// Looked for in the whole table, which may have moved.
std::optional<WalMark> WalFollower::mark_after(const WrittenPages& written) {
  PageNumber meta = 0;
  TreeRows schema(pages_, &written, 1);
  for (StoredRow row; schema.next(row);) {
    tables_.decoder(WalTables::kSchema).decode(row, after_);
    if (after_.values[1].bytes() == "__colony_meta") meta = static_cast<PageNumber>(after_.values[3].integer);
  }
  std::optional<WalMark> mark;
  if (meta == 0) return mark;
  TreeRows rows(pages_, &written, meta);
  for (StoredRow row; rows.next(row);) look_for_mark(row, mark);
  return new_mark(mark);
}

void WalFollower::look_for_mark(const StoredRow& row, std::optional<WalMark>& mark) {
  if (!tables_.decoder(WalTables::kMeta).decode(row, after_)) return;
  const Value &key = after_.values[0], &value = after_.values[1];
  if (key.bytes() == kWalMarkKey && value.type == ValueType::kBlob) mark = parse_wal_mark(value.bytes());
  if (key.bytes() == kUnconfirmedKey) names_columns_ = value.type != ValueType::kInteger || value.integer != 0;
}

// The row may only have gone to another page.
std::optional<WalMark> WalFollower::new_mark(const std::optional<WalMark>& mark) {
  if (!mark || mark->number == mark_number_) return std::nullopt;
  mark_number_ = mark->number;
  return mark;
}

// Its rows may only have gone to other pages.
bool WalFollower::changes_schema(PageChanges& changes) {
  if (!changes.concerns(WalTables::kSchema)) return false;
  std::map<std::pair<std::int64_t, std::string>, int> balance;
  changes.for_each(WalTables::kSchema, [&](TreeNumber, const StoredRow* before, const StoredRow* after) {
    if (before != nullptr) --balance[{before->rowid, std::string(before->record)}];
    if (after != nullptr) ++balance[{after->rowid, std::string(after->record)}];
  });
  return std::any_of(balance.begin(), balance.end(), [](const auto& row) { return row.second != 0; });
}

std::optional<WalMark> WalFollower::mark_in(PageChanges& changes) {
  std::optional<WalMark> mark;
  if (!changes.concerns(WalTables::kMeta)) return mark;
  changes.for_each(WalTables::kMeta, [&](TreeNumber, const StoredRow*, const StoredRow* after) {
    if (after != nullptr) look_for_mark(*after, mark);
  });
  return new_mark(mark);
}

// Rows that went to another page are removed before they are added.
void WalFollower::take_rows(PageChanges& changes, const WalTables* after) {
  for (TreeNumber tree = WalTables::kFirst; tree < tables_.end(); ++tree) {
    if (!tables_.is_replicated(tree) || !changes.concerns(tree)) continue;
    if (record_gone(changes, tree)) record_new(changes, tree);
  }
  if (log_.empty() && tables_.outbox() == 0) return;
  const std::vector<ChangesetTable>& headers = names_columns_ ? named_ : plain_;
  const NetRows net(log_, [&](std::uint32_t tree) -> const ChangesetTable& { return headers[tree - std::size_t{1}]; });
  sink_.take({net, changes, tables_, after});
  log_.clear();
}

bool WalFollower::decode(TreeNumber tree, const StoredRow* row, DecodedRow& decoded) {
  const bool has_key = row != nullptr && tables_.decoder(tree).decode(*row, decoded);
  if (!has_key) decoded.values.clear();
  return has_key;
}

namespace {

bool have_same_key(const std::vector<std::uint8_t>& key, const std::vector<Value>& a, const std::vector<Value>& b) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key[i] != 0 && !identical(a[i], b[i])) return false;
  }
  return true;
}

}  // namespace

// What was there before and has gone, or changed under its key. Whether there is more.
bool WalFollower::record_gone(PageChanges& changes, TreeNumber tree) {
  const std::vector<std::uint8_t>& key = tables_.table(tree).header.key;
  bool has_new = false;
  changes.for_each(tree, [&](TreeNumber, const StoredRow* before, const StoredRow* after) {
    const bool was = decode(tree, before, before_), is = decode(tree, after, after_);
    if (!was || !is || !have_same_key(key, before_.values, after_.values)) {
      has_new |= is;
      after_.values.clear();
    }
    if (!was) return;
    log_.append_row(tree, key, before_.values, after_.values);
  });
  return has_new;
}

void WalFollower::record_new(PageChanges& changes, TreeNumber tree) {
  const std::vector<std::uint8_t>& key = tables_.table(tree).header.key;
  changes.for_each(tree, [&](TreeNumber, const StoredRow* before, const StoredRow* after) {
    const bool was = decode(tree, before, before_), is = decode(tree, after, after_);
    if (!is || (was && have_same_key(key, before_.values, after_.values))) return;
    before_.values.clear();
    log_.append_row(tree, key, before_.values, after_.values);
  });
}

}  // namespace colony
