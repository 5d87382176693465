#include "replicator/cli/repair_report.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "replicator/fold/json.h"

namespace colony::cli {
namespace {

std::string counted(std::uint64_t count, const char* what) { return fmt::format("{} {}", count, what); }

std::string rows(std::uint64_t count) { return counted(count, count == 1 ? "row" : "rows"); }

// "1 only here, 2 missing here".
std::string counts(const DifferingRows& table) {
  std::string text;
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + counted(count, what);
  };
  add(table.only_mine, "only here");
  add(table.only_theirs, "missing here");
  add(table.different, "different");
  add(table.keyless, "with NULL in the key");
  return text;
}

// The columns of the key, or the others; of an UPDATE those that differ.
std::string part(const RowDifference& difference, const std::vector<Value>& row, bool of_key) {
  std::vector<Value> part(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    if ((difference.table.key[i] != 0) == of_key) part[i] = row[i];
  }
  return json_row(difference.table.columns, part);
}

std::string changed_columns(const RowDifference& difference) {
  std::string text;
  for (std::size_t i = 0; i < difference.mine->size(); ++i) {
    const Value& mine = (*difference.mine)[i];
    const Value& theirs = (*difference.theirs)[i];
    if (identical(mine, theirs)) continue;
    text += fmt::format("{}{}: {} -> {}", text.empty() ? "" : ", ", difference.table.columns[i], json_value(mine),
                        json_value(theirs));
  }
  return text;
}

std::string line(const RowDifference& difference) {
  if (difference.theirs == nullptr) {
    return "  + " + part(difference, *difference.mine, true) + " " + part(difference, *difference.mine, false);
  }
  if (difference.mine == nullptr) {
    return "  - " + part(difference, *difference.theirs, true) + " " + part(difference, *difference.theirs, false);
  }
  return "  ~ " + part(difference, *difference.mine, true) + " " + changed_columns(difference);
}

std::string row_as_json(const RowDifference& difference) {
  const std::vector<Value>& any = difference.mine != nullptr ? *difference.mine : *difference.theirs;
  JsonObject row;
  row.add_raw("key", part(difference, any, true));
  for (const auto& [name, values] : {std::pair{"mine", difference.mine}, std::pair{"theirs", difference.theirs}}) {
    if (values == nullptr) {
      row.add_null(name);
    } else {
      row.add_raw(name, json_row(difference.table.columns, *values));
    }
  }
  return row.text();
}

std::uint64_t left_out(const DifferingRows& table, std::uint64_t limit) {
  return table.rows() > limit ? table.rows() - limit : 0;
}

const char* to_string(RepairAction action) {
  switch (action) {
    case RepairAction::kShow:
      return "show";
    case RepairAction::kKeepMine:
      return "keep-mine";
    case RepairAction::kTakeTheirs:
      return "take-theirs";
  }
  return "";
}

// My rows that the log's take the place of.
std::uint64_t replaced(const std::vector<DifferingRows>& tables) {
  std::uint64_t count = 0;
  for (const DifferingRows& table : tables) count += table.only_mine + table.different;
  return count;
}

std::uint64_t all_rows(const std::vector<DifferingRows>& tables) {
  std::uint64_t count = 0;
  for (const DifferingRows& table : tables) count += table.rows();
  return count;
}

// "2 pending transactions and 3 lines of the conflict journal".
std::string noted(const NoteDifference& notes) {
  std::string text;
  if (notes.effects > 0) {
    text = counted(notes.effects, notes.effects == 1 ? "pending transaction" : "pending transactions");
  }
  if (notes.conflicts > 0) {
    text += text.empty() ? "" : " and ";
    text += counted(notes.conflicts, notes.conflicts == 1 ? "line" : "lines") + " of the conflict journal";
  }
  return text;
}

}  // namespace

std::uint64_t RepairReport::rows() const { return all_rows(found.tables); }

bool RepairReport::differs() const { return found.any() || has_irreparable_rows(); }

bool RepairReport::has_irreparable_rows() const {
  return !null_keys_stay && std::any_of(found.tables.begin(), found.tables.end(),
                                        [](const DifferingRows& table) { return table.keyless > 0; });
}

void print_differences(const RepairReport& report, Repair& repair, std::uint64_t limit) {
  for (const std::string& table : report.unknown_tables) {
    fmt::print("{}: not compared, since the snapshot is older than it\n", table);
  }
  if (!report.differs()) {
    fmt::print("nothing differs from the log at position {}\n", report.position.value());
    return;
  }
  fmt::print("{} of {} differs from the log at position {} and {} pending; compared by way of {}'s snapshot at {}\n",
             report.self.node, report.self.cluster, report.position.value(),
             counted(static_cast<std::uint64_t>(report.pending), report.pending == 1 ? "transaction" : "transactions"),
             report.base.node, report.base.position.value());
  std::map<std::string, const DifferingRows*> by_name;
  for (const DifferingRows& table : report.found.tables) by_name[table.table] = &table;
  std::string shown;
  std::uint64_t printed = 0;
  const auto end_table = [&] {
    if (shown.empty()) return;
    if (const std::uint64_t more = left_out(*by_name[shown], limit); more > 0) fmt::print("  and {} more\n", more);
  };
  repair.for_each([&](const RowDifference& difference) {
    if (difference.table.name != shown) {
      end_table();
      shown = difference.table.name;
      printed = 0;
      fmt::print("{}: {}\n", shown, counts(*by_name[shown]));
    }
    if (printed++ < limit) fmt::print("{}\n", line(difference));
    return true;
  });
  end_table();
  for (const DifferingRows& table : report.found.tables) {
    if (table.keyless == 0) continue;
    if (table.rows() == 0) fmt::print("{}: {}\n", table.table, counts(table));
    fmt::print("  rows with NULL in the key {}\n",
               report.null_keys_stay ? "stay on this node" : "cannot be replicated nor repaired: delete them");
  }
  if (report.found.notes.any()) fmt::print("what is noted of {} differs\n", noted(report.found.notes));
}

void print_change(const RepairReport& report) {
  if (report.action == RepairAction::kShow || !report.found.any()) return;
  const Repair::Found& found = report.dry_run ? report.found : report.change.found;
  if (!found.any()) {
    fmt::print("nothing to change: it does not differ any more\n");
    return;
  }
  const std::uint64_t count = all_rows(found.tables), kept = replaced(found.tables);
  if (count > 0 && report.action == RepairAction::kKeepMine) {
    fmt::print("{}: this file's {} a transaction of {}, which all nodes will apply\n", rows(count),
               report.dry_run ? "would become" : "are now", report.self.node);
  } else if (count > 0) {
    fmt::print("{}: the log's {} put in place of this file's", rows(count), report.dry_run ? "would be" : "were");
    if (kept > 0) {
      fmt::print("; {} of this file's {} kept in {}", kept, report.dry_run ? "would be" : "are",
                 report.dry_run ? report.would_keep_in : report.change.kept_in);
    }
    fmt::print("\n");
  }
  if (found.notes.any()) {
    fmt::print("what is noted of {} {} set right\n", noted(found.notes), report.dry_run ? "would be" : "was");
  }
}

std::vector<std::string> rows_as_json(const RepairReport& report, Repair& repair, std::uint64_t limit) {
  std::map<std::string, std::vector<std::string>> by_table;
  repair.for_each([&](const RowDifference& difference) {
    std::vector<std::string>& shown = by_table[difference.table.name];
    if (shown.size() < limit) shown.push_back(row_as_json(difference));
    return true;
  });
  std::vector<std::string> arrays;
  for (const DifferingRows& table : report.found.tables) arrays.push_back(json_array(by_table[table.table]));
  return arrays;
}

void print_json(const RepairReport& report, const std::vector<std::string>& rows_of_tables) {
  std::vector<std::string> tables, unknown;
  for (std::size_t i = 0; i < report.found.tables.size(); ++i) {
    const DifferingRows& table = report.found.tables[i];
    tables.push_back(JsonObject()
                         .add("table", table.table)
                         .add("only_here", table.only_mine)
                         .add("missing_here", table.only_theirs)
                         .add("different", table.different)
                         .add("null_in_key", table.keyless)
                         .add_raw("rows", rows_of_tables[i])
                         .text());
  }
  for (const std::string& table : report.unknown_tables) unknown.push_back(json_string(table));
  JsonObject json;
  json.add("node", report.self.node).add("cluster", report.self.cluster).add("differs", report.differs());
  json.add("position", report.position.value()).add("pending", report.pending);
  json.add_raw("snapshot", JsonObject()
                               .add("node", report.base.node)
                               .add("position", report.base.position.value())
                               .add("name", report.base.text())
                               .text());
  json.add("pending_differ", report.found.notes.effects).add("conflicts_differ", report.found.notes.conflicts);
  json.add_raw("tables", json_array(tables)).add_raw("not_compared", json_array(unknown));
  json.add("action", to_string(report.action)).add("dry_run", report.dry_run);
  json.add("changed_rows", all_rows(report.change.found.tables));
  const bool would_keep = report.dry_run && replaced(report.found.tables) > 0;
  const std::string& kept_in = would_keep ? report.would_keep_in : report.change.kept_in;
  kept_in.empty() ? json.add_null("kept_in") : json.add("kept_in", kept_in);
  fmt::print("{}\n", json.text());
}

}  // namespace colony::cli
