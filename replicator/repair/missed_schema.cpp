#include "replicator/repair/missed_schema.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "replicator/fold/table_fates.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/noted_schema.h"

namespace colony {
namespace {

std::string meta_text(Database& db, std::string_view key) {
  Statement select(db, "SELECT value FROM __colony_meta WHERE key = ?1");
  return select.bind(1, key).step() ? std::string(select.text(0)) : std::string();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

MissedSchema::MissedSchema(Database& db) : now_(schema_objects(db)) {
  before_ = noted_schema(db).value_or(now_);
  if (before_ == now_) return;
  fates_ = guessed_fates(before_, now_);
  for (const auto& [table, fate] : fates_) {
    if (!fate.is_gone) former_names_[fate.name] = table;
  }
  for (const std::string& table : replicated_tables(db)) replicated_.insert(table);
  knows_left_out_ = meta_text(db, "left_out_known") == "1";
  are_chosen_ = meta_text(db, "tables") == "chosen";
  patterns_ = lines_of(meta_text(db, "table_patterns"));
  Statement left_out(db, "SELECT name FROM __colony_left_out");
  while (left_out.step()) left_out_.emplace(left_out.text(0));
}

bool MissedSchema::is_wanted(const std::string& table) const {
  if (!knows_left_out_ || left_out_.contains(table)) return false;
  return !are_chosen_ || std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
    return sqlite3_strglob(pattern.c_str(), table.c_str()) == 0;
  });
}

bool MissedSchema::is_new(const std::string& table) const {
  const auto was = before_.find(table);
  return !former_names_.contains(table) && (was == before_.end() || was->second.type != "table");
}

bool MissedSchema::is_shared_before(const std::string& table) const { return replicated_.contains(table); }

bool MissedSchema::is_shared_now(const std::string& table) const {
  const auto former = former_names_.find(table);
  if (replicated_.contains(former == former_names_.end() ? table : former->second)) return true;
  return is_wanted(table) && is_new(table);
}

// What hangs on a table that other nodes may not have stays here.
template <class IsShared>
SchemaObjects MissedSchema::shared(const SchemaObjects& objects, IsShared&& is_shared) const {
  SchemaObjects shared;
  for (const auto& [name, object] : objects) {
    const auto of = objects.find(object.table);
    const bool is_of_table = of != objects.end() && of->second.type == "table";
    if (is_of_table ? is_shared(object.table) : knows_left_out_) shared.emplace(name, object);
  }
  return shared;
}

// Tables that no rows travel of were made everywhere, and go everywhere.
SchemaChanges MissedSchema::dropped_strangers() const {
  SchemaChanges dropped;
  for (const auto& [table, was] : before_) {
    if (was.type != "table" || replicated_.contains(table) || !is_wanted(table) || !fates_.at(table).is_gone) continue;
    if (now_.contains(table) && !is_virtual_table(was)) continue;
    dropped.push_back({SchemaChange::Kind::kDrop, "table", table, "", was.sql, "", ""});
  }
  return dropped;
}

SchemaChanges MissedSchema::changes() const {
  if (before_ == now_) return {};
  const SchemaObjects before = shared(before_, [&](const std::string& table) { return is_shared_before(table); });
  const SchemaObjects now = shared(now_, [&](const std::string& table) { return is_shared_now(table); });
  std::map<std::string, TableFate> fates = fates_;
  std::erase_if(fates, [&](const auto& of) { return !before.contains(of.first); });
  try {
    SchemaChanges changes = dropped_strangers();
    const SchemaChanges more = difference(before, now, fates);
    changes.insert(changes.end(), more.begin(), more.end());
    return changes;
  } catch (const SchemaDifferenceError& error) {
    throw Error("while no colony run was running, table " + error.table() + " " + error.what() +
                ", so that the other nodes cannot be told: take that change back, start colony run, and make it "
                "again by colony migrate");
  }
}

}  // namespace colony
