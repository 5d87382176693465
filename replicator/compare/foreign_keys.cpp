#include "replicator/compare/foreign_keys.h"

#include <algorithm>
#include <set>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

struct ForeignKey {
  std::string child, parent;
  std::vector<std::string> from, to;  // `to` is empty where the parent's primary key is meant
};

std::vector<std::string> children(Database& db) {
  std::vector<std::string> names;
  Statement tables(db,
                   "SELECT name FROM pragma_table_list AS t WHERE schema = 'main' AND type = 'table' AND EXISTS "
                   "(SELECT 1 FROM pragma_foreign_key_list(t.name)) ORDER BY name");
  while (tables.step()) names.emplace_back(tables.text(0));
  return names;
}

std::vector<ForeignKey> foreign_keys(Database& db, const std::string& child) {
  std::vector<ForeignKey> keys;
  Statement list(db, "SELECT seq, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq");
  list.bind(1, child);
  while (list.step()) {
    if (list.integer(0) == 0) keys.push_back({child, std::string(list.text(1)), {}, {}});
    keys.back().from.emplace_back(list.text(2));
    if (!list.is_null(3)) keys.back().to.emplace_back(list.text(3));
  }
  return keys;
}

std::set<std::string> folded(const std::vector<std::string>& names) {
  std::set<std::string> set;
  for (const std::string& name : names) set.insert(folded_name(name));
  return set;
}

std::vector<std::string> names_of(Database& db, const char* sql, const std::string& of) {
  std::vector<std::string> names;
  Statement select(db, sql);
  select.bind(1, of);
  while (select.step()) names.emplace_back(select.text(0));
  return names;
}

std::vector<std::string> primary_key(Database& db, const std::string& table) {
  return names_of(db, "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk", table);
}

bool is_unique(Database& db, const std::string& table, const std::set<std::string>& columns) {
  if (folded(primary_key(db, table)) == columns) return true;
  const std::vector<std::string> indexes =
      names_of(db, "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial", table);
  return std::any_of(indexes.begin(), indexes.end(), [&](const std::string& index) {
    return folded(names_of(db, "SELECT coalesce(name, '') FROM pragma_index_info(?1)", index)) == columns;
  });
}

// What is wrong with its parent; empty if nothing is.
std::string trouble_with_parent(Database& db, const ForeignKey& key) {
  Statement type(db, "SELECT type FROM pragma_table_list(?1) WHERE schema = 'main'");
  if (!type.bind(1, key.parent).step()) return "which does not exist";
  if (type.text(0) == "view") return "which is a view";
  if (type.text(0) != "table") return "which is no ordinary table";
  if (key.to.empty()) {
    const std::size_t columns = primary_key(db, key.parent).size();
    if (columns == 0) return "which has no PRIMARY KEY";
    return columns == key.from.size() ? "" : "whose PRIMARY KEY has another number of columns";
  }
  const std::set<std::string> known = folded(names_of(db, "SELECT name FROM pragma_table_xinfo(?1)", key.parent));
  for (const std::string& column : key.to) {
    if (!known.contains(folded_name(column))) return "which has no column " + column;
  }
  return is_unique(db, key.parent, folded(key.to)) ? "" : "which is not unique";
}

// Where SQLite refuses to check a table since one of its keys has no proper parent: the others.
std::int64_t count_violations_of(Database& db, const ForeignKey& key) {
  const std::vector<std::string> to = key.to.empty() ? primary_key(db, key.parent) : key.to;
  std::string not_null, equal;
  for (std::size_t i = 0; i < key.from.size(); ++i) {
    not_null += "c." + quoted(key.from[i]) + " IS NOT NULL AND ";
    equal += (i > 0 ? " AND p." : "p.") + quoted(to[i]) + " = c." + quoted(key.from[i]);
  }
  return db.query_integer("SELECT count(*) FROM main." + quoted(key.child) + " AS c WHERE " + not_null +
                          "NOT EXISTS (SELECT 1 FROM main." + quoted(key.parent) + " AS p WHERE " + equal + ")");
}

std::string listed(const std::vector<std::string>& columns) {
  std::string out;
  for (const std::string& column : columns) out += (out.empty() ? "" : ", ") + column;
  return out;
}

std::string shown(const ForeignKey& key) {
  return key.child + "(" + listed(key.from) + ") refers to " + key.parent +
         (key.to.empty() ? std::string() : "(" + listed(key.to) + ")");
}

}  // namespace

std::uint64_t count_foreign_key_violations(Database& db) {
  std::int64_t violations = 0;
  for (const std::string& child : children(db)) {
    try {
      Statement check(db, "SELECT count(*) FROM pragma_foreign_key_check(?1)");
      if (check.bind(1, child).step()) violations += check.integer(0);
    } catch (const SqliteError& error) {
      if (error.code() != SQLITE_ERROR) throw;
      for (const ForeignKey& key : foreign_keys(db, child)) {
        if (trouble_with_parent(db, key).empty()) violations += count_violations_of(db, key);
      }
    }
  }
  return static_cast<std::uint64_t>(violations);
}

std::vector<std::string> doubtful_foreign_keys(Database& db) {
  const std::set<std::string> replicated = folded(replicated_tables(db));
  std::vector<std::string> doubtful;
  for (const std::string& child : children(db)) {
    for (const ForeignKey& key : foreign_keys(db, child)) {
      std::string trouble = trouble_with_parent(db, key);
      const bool only_child = replicated.contains(folded_name(child)) && !replicated.contains(folded_name(key.parent));
      if (trouble.empty() && only_child) trouble = "which is not replicated";
      if (!trouble.empty()) doubtful.push_back(shown(key) + ", " + trouble);
    }
  }
  return doubtful;
}

}  // namespace colony
