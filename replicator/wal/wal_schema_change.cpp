#include "replicator/wal/wal_schema_change.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replicator/fold/table_fates.h"
#include "replicator/log/error.h"
#include "replicator/wal/tree_difference.h"
#include "sqlite_ext/outbox_writer.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/schema_judge.h"
#include "sqlite_ext/schema_transaction.h"

namespace colony {
namespace {

struct TablesOfState {
  SchemaObjects objects;
  TablePlaces places;
};

TablesOfState read_tables(Database& db) {
  TablesOfState tables;
  Statement select(db, "SELECT name, sql, rowid, rootpage FROM sqlite_schema WHERE type = 'table' AND sql NOTNULL");
  while (select.step()) {
    const std::string name(select.text(0));
    tables.objects[name] = {"table", name, std::string(select.text(1))};
    tables.places[name] = {select.integer(2), select.integer(3)};
  }
  return tables;
}

class SchemaChangeCapture {
 public:
  SchemaChangeCapture(WalFollower& follower, const WalEnd& end, Database& before, Database& now)
      : follower_(follower),
        written_(follower.rest(end)),
        before_(before),
        now_(now),
        recorder_(before.handle(), "main", linked_host(), now.spill()),
        judge_(now.handle(), "main", linked_host()),
        was_(read_tables(before)),
        is_(read_tables(now)) {}

  void run() {
    judge_.load();
    judge_.note_before(before_.handle());
    judge_.history().tell(told_fates(was_.objects, was_.places, is_.objects, is_.places));
    fates_ = judge_.fates();
    check_own_tables();
    record_before();
    recorder_.move_to(now_.handle());
    recorder_.set_tables(recorded_tables(), true);
    record_after();
    OutboxWriter outbox(now_.handle(), "main");
    SchemaTransaction(now_.handle(), "main", recorder_, judge_, outbox).write(judge_.new_tables());
  }

 private:
  void check_own_tables() {
    for (const auto& [name, object] : was_.objects) {
      if (!name.starts_with("__colony_") || is_.objects.contains(name)) continue;
      throw Halt("a program has dropped " + name + ", which is Colony's own: put back a backup of the file, or take " +
                 "Colony out of it with colony detach and join again");
    }
  }

  bool is_gone(const std::string& table) const { return fates_.at(table).is_gone; }
  // Its pages are others than before: its rows must be looked at one by one.
  bool has_moved(const std::string& table) const {
    return was_.places.at(table).root != is_.places.at(fates_.at(table).name).root;
  }

  std::vector<Recorder::RecordedTable> recorded_tables() const {
    std::vector<Recorder::RecordedTable> tables;
    for (const auto& [table, fate] : fates_) {
      if (!fate.is_gone) tables.push_back({fate.name, table, true});
    }
    return tables;
  }

  void record_before() {
    std::vector<Recorder::RecordedTable> tables;
    for (const auto& [table, fate] : fates_) tables.push_back({table, table, true});
    recorder_.set_tables(tables, true);
    for (TreeNumber tree = WalTables::kFirst; tree < follower_.tables().end(); ++tree) {
      const std::string& table = follower_.tables().table(tree).header.name;
      if (!fates_.contains(table)) continue;
      if (is_gone(table)) {
        TreeRows rows(follower_.pages(), nullptr, root_of(tree));
        for (StoredRow row; rows.next(row);) record_row(follower_.tables().decoder(tree), row, table, false);
      } else if (has_moved(table)) {
        record_moved(tree, table);
      }
    }
    follower_.look_at(written_, stays(), [&](TreeNumber tree, const StoredRow* before, const StoredRow*) {
      RowDecoder& decoder = follower_.tables().decoder(tree);
      if (before != nullptr) record_row(decoder, *before, decoder.table().header.name, false);
    });
  }

  PageNumber root_of(TreeNumber tree) { return follower_.tables().roots()[tree - std::size_t{1}]; }

  void record_row(RowDecoder& decoder, const StoredRow& row, const std::string& table, bool is_new) {
    std::vector<Value> none;
    if (!decoder.decode(row, row_)) return;
    is_new ? recorder_.append(table, none, row_.values) : recorder_.append(table, row_.values, none);
  }

  // What differs is little, as a rule: VACUUM moves tables, and changes nothing.
  void record_moved(TreeNumber tree, const std::string& table) {
    RowDecoder& decoder = follower_.tables().decoder(tree);
    const auto root = static_cast<PageNumber>(is_.places.at(fates_.at(table).name).root);
    TreeDifference difference(follower_.pages(), root_of(tree), written_, root,
                              decoder.table().rowid_column.has_value());
    difference.for_each_gone([&](const StoredRow& row) { record_row(decoder, row, table, false); });
    moved_.emplace_back(tree, std::move(difference));
  }

  // Of which tables the pages tell the rows.
  PageChanges::Wanted stays() {
    return [this](TreeNumber tree) {
      if (tree < WalTables::kFirst || tree >= follower_.tables().end()) return false;
      const std::string& table = follower_.tables().table(tree).header.name;
      return fates_.contains(table) && !is_gone(table) && !has_moved(table);
    };
  }

  void record_after() {
    for (auto& [tree, difference] : moved_) {
      RowDecoder& decoder = decoder_after(tree);
      const std::string& table = decoder.table().header.name;
      difference.for_each_new([&](const StoredRow& row) { record_row(decoder, row, table, true); });
    }
    follower_.look_at(written_, stays(), [&](TreeNumber tree, const StoredRow*, const StoredRow* after) {
      if (after == nullptr) return;
      RowDecoder& decoder = decoder_after(tree);
      record_row(decoder, *after, decoder.table().header.name, true);
    });
  }

  // Of what the table of that tree is now.
  RowDecoder& decoder_after(TreeNumber tree) {
    const auto known = decoders_.find(tree);
    if (known != decoders_.end()) return known->second;
    const std::string& table = fates_.at(follower_.tables().table(tree).header.name).name;
    std::optional<CapturedTable> layout = load_captured_table(now_.handle(), "main", table);
    if (!layout) throw Halt("table " + table + " has lost its primary key: give it one again on this node");
    return decoders_.try_emplace(tree, std::move(*layout), follower_.pages().format()).first->second;
  }

  WalFollower& follower_;
  const WrittenPages written_;
  Database &before_, &now_;
  Recorder recorder_;
  SchemaJudge judge_;
  const TablesOfState was_, is_;
  std::map<std::string, TableFate> fates_;  // of the replicated tables
  std::vector<std::pair<TreeNumber, TreeDifference>> moved_;
  std::map<TreeNumber, RowDecoder> decoders_;  // of the tables as they are now
  DecodedRow row_;
};

}  // namespace

void queue_schema_change(WalFollower& follower, const WalEnd& end, Database& before, Database& now) {
  try {
    SchemaChangeCapture(follower, end, before, now).run();
  } catch (const RecordError& refusal) {
    throw Halt(std::string("a program has changed the schema in a way that cannot be told to the other nodes: ") +
               refusal.what());
  }
}

}  // namespace colony
