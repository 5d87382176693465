#include "tests/sim/judge.h"

#include <algorithm>

#include "tests/sim/journal_text.h"

namespace colony::sim {
namespace {

// A line of a journal, in a form in which equal lines are equal texts.
using Lines = std::vector<std::string>;

std::string line_of(std::uint64_t sequence, const std::string& origin, std::uint64_t chunk, const std::string& kind,
                    const std::string& table, const std::string& key, const std::string& lost) {
  return std::to_string(sequence) + " " + origin + " " + std::to_string(chunk) + " " + kind + " " + table + " key " +
         key + " lost " + lost;
}

std::string line_of(const Schema& schema, const JournalLine& line) {
  const ReferenceConflict& conflict = line.conflict;
  const Table& table = *schema.find(conflict.table);
  return line_of(line.sequence, line.origin, line.chunk, conflict.kind, conflict.table,
                 canonical_row(table, conflict.key), canonical_row(table, conflict.lost));
}

Lines journal_of(Database& db) {
  Lines lines;
  Statement select(db,
                   "SELECT sequence, origin, piece, kind, table_name, key, lost FROM __colony_conflicts "
                   "ORDER BY sequence, origin, piece, n");
  while (select.step()) {
    lines.push_back(line_of(static_cast<std::uint64_t>(select.integer(0)), std::string(select.text(1)),
                            static_cast<std::uint64_t>(select.integer(2)), std::string(select.text(3)),
                            std::string(select.text(4)), canonical_json(std::string(select.text(5))),
                            canonical_json(std::string(select.text(6)))));
  }
  return lines;
}

std::string difference(const Lines& expected, const Lines& found) {
  std::string out;
  for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    const std::string a = i < expected.size() ? expected[i] : "nothing", b = i < found.size() ? found[i] : "nothing";
    if (a != b) return "\n  expected: " + a + "\n  found:    " + b;
  }
  return out;
}

// Everything there is to see of the tables, generated columns too.
Lines dump(Database& db, const Schema& schema) {
  Lines lines;
  for (const Table& table : schema.tables) {
    Statement select(db, "SELECT * FROM " + quote(table.name));
    const std::size_t first = lines.size();
    while (select.step()) {
      std::string line = table.name + ": ";
      for (int i = 0; i < select.columns(); ++i) {
        const Cell cell = column_cell(select.handle(), i);
        line +=
            cell.bytes.size() > 40 ? shown(cell) + std::to_string(std::hash<std::string>{}(cell.bytes)) : shown(cell);
        line += i + 1 < select.columns() ? ", " : "";
      }
      lines.push_back(std::move(line));
    }
    std::sort(lines.begin() + static_cast<std::ptrdiff_t>(first), lines.end());
  }
  return lines;
}

std::int64_t integer(Database& db, const std::string& sql) { return db.query_integer(sql); }

}  // namespace

std::string difference(const DatabaseRows& expected, const DatabaseRows& found, const std::string& expected_name,
                       const std::string& found_name) {
  std::string out;
  static const TableRows kNone;
  const auto missing_from = [&](const DatabaseRows& a, const DatabaseRows& b, const std::string& name) {
    for (const auto& [table, rows] : a) {
      const auto other = b.find(table);
      const TableRows& others = other == b.end() ? kNone : other->second;
      for (const auto& [key, row] : rows) {
        const auto match = others.find(key);
        if (match == others.end() || !same_bits(*match->second, *row)) {
          out += "\n  only " + name + ": " + table + shown(*row);
        }
      }
    }
  };
  missing_from(expected, found, expected_name);
  missing_from(found, expected, found_name);
  return out;
}

DatabaseRows Judge::rows_of(Database& db, const Schema& schema) {
  DatabaseRows rows;
  for (const Table& table : schema.tables) {
    std::string columns;
    for (const Column& column : table.columns) columns += (columns.empty() ? "" : ", ") + quote(column.name);
    Statement select(db, "SELECT " + columns + " FROM " + quote(table.name));
    TableRows& found = rows[table.name];
    while (select.step()) {
      Row row;
      for (int i = 0; i < select.columns(); ++i) row.push_back(column_cell(select.handle(), i));
      std::string key = table.key_of(row);
      found.emplace(std::move(key), std::make_shared<const Row>(std::move(row)));
    }
  }
  return rows;
}

std::vector<Judge::Pending> Judge::pending_of(Database& db) {
  std::vector<Pending> pending;
  std::string open;
  Statement select(db, "SELECT piece, last, changeset FROM __colony_outbox ORDER BY piece");
  while (select.step()) {
    open += select.blob(2);
    if (select.integer(1) == 0) continue;
    pending.push_back({static_cast<std::uint64_t>(select.integer(0)), std::move(open)});
    open.clear();
  }
  return pending;
}

Sequence Judge::position_of(Database& db) {
  return Sequence(static_cast<std::uint64_t>(integer(db, "SELECT value FROM __colony_meta WHERE key = 'position'")));
}

std::string Judge::check_rows(Node& node) {
  Database& db = node.observer();
  reference_.follow(log_.messages());
  const Sequence position = position_of(db);
  DatabaseRows expected = reference_.rows_at(position);
  for (const Pending& transaction : pending_of(db)) reference_fold(schema_, expected, transaction.changeset);
  const std::string differs = difference(expected, rows_of(db, schema_), "in the model", "in the file");
  if (differs.empty()) return "";
  return "the rows of node " + node.name() + " at position " + std::to_string(position.value()) +
         " are not the log's and its pending ones:" + differs;
}

std::string Judge::check_journal(Node& node, std::int64_t conflicts_max) {
  Database& db = node.observer();
  reference_.follow(log_.messages());
  const Sequence position = position_of(db);
  Lines expected;
  DatabaseRows rows = reference_.rows_at(position);
  const std::size_t rows_max = conflicts_max > 0 ? static_cast<std::size_t>(conflicts_max) : ~std::size_t{0};
  bool is_trimmed = false;
  for (const Pending& transaction : pending_of(db)) {
    std::vector<ReferenceConflict> conflicts = reference_fold(schema_, rows, transaction.changeset);
    // One transaction never fills more than the bound.
    for (std::size_t i = conflicts.size() - std::min(conflicts.size(), rows_max); i < conflicts.size(); ++i) {
      expected.push_back(line_of(schema_, {0, node.name(), transaction.last, std::move(conflicts[i])}));
    }
    is_trimmed |= conflicts.size() > rows_max;
  }
  const std::size_t settled = reference_.journal_at(position);
  const std::size_t first = settled - std::min(settled, rows_max);
  is_trimmed |= first > 0;
  for (std::size_t i = first; i < settled; ++i) expected.push_back(line_of(schema_, reference_.journal()[i]));
  Lines found = journal_of(db);
  // Rows that one change displaces have no order in the model.
  if (!is_trimmed) {
    std::sort(expected.begin(), expected.end());
    std::sort(found.begin(), found.end());
  } else if (expected.size() != found.size()) {
    return "node " + node.name() + " keeps " + std::to_string(found.size()) + " conflicts instead of " +
           std::to_string(expected.size());
  } else {
    return "";
  }
  const std::string differs = difference(expected, found);
  return differs.empty() ? "" : "the conflicts of node " + node.name() + " are not the model's:" + differs;
}

std::string Judge::check_snapshot(Database& snapshot) {
  reference_.follow(log_.messages());
  const Sequence position = position_of(snapshot);
  const std::string who = "the snapshot of position " + std::to_string(position.value());
  const std::string differs =
      difference(reference_.rows_at(position), rows_of(snapshot, schema_), "in the model", "in the file");
  if (!differs.empty()) return "the rows of " + who + " are not the log's:" + differs;
  if (integer(snapshot, "SELECT count(*) FROM __colony_outbox") != 0) return who + " has an outbox";
  if (integer(snapshot, "SELECT count(*) FROM __colony_conflicts WHERE sequence = 0") != 0) {
    return who + " has conflicts of pending transactions";
  }
  const bool parts = integer(snapshot, "SELECT count(*) FROM __colony_parts") != 0;
  return parts == reference_.has_open_fragments_at(position) ? "" : who + " keeps other parts than the log has open";
}

std::string Judge::check_rest(Node& node) {
  reference_.follow(log_.messages());
  Database& db = node.observer();
  const std::string who = "at rest, node " + node.name();
  if (const auto rows = integer(db, "SELECT count(*) FROM __colony_outbox"); rows != 0) {
    return who + " has " + std::to_string(rows) + " pieces pending";
  }
  if (position_of(db) != log_.last()) {
    return who + " is at " + std::to_string(position_of(db).value()) + " of " + std::to_string(log_.last().value());
  }
  if (NodeFile(db).trust().version != reference_.trust_version()) return who + " trusts others than the log says";
  const bool parts = integer(db, "SELECT count(*) FROM __colony_parts") != 0;
  if (parts != reference_.has_open_fragments_at(log_.last())) return who + " keeps parts";
  if (integer(db, "SELECT count(*) FROM __colony_conflicts WHERE sequence = 0") != 0) {
    return who + " has conflicts of pending transactions";
  }
  return "";
}

std::string Judge::check_equal(Node& a, Node& b) const {
  const std::string who = "nodes " + a.name() + " and " + b.name() + " differ:";
  if (const std::string rows = difference(dump(a.observer(), schema_), dump(b.observer(), schema_)); !rows.empty()) {
    return who + rows;
  }
  const std::string lines = difference(journal_of(a.observer()), journal_of(b.observer()));
  return lines.empty() ? "" : "the conflict journals of " + who + lines;
}

std::string Judge::check_integrity(Node& node) const {
  const std::string answer = node.observer().query_text("PRAGMA integrity_check");
  return answer == "ok" ? "" : "the integrity check of node " + node.name() + " says: " + answer;
}

}  // namespace colony::sim
