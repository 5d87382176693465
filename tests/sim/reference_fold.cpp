#include "tests/sim/reference_fold.h"

#include <optional>
#include <stdexcept>

#include "sqlite_ext/changeset.h"

namespace colony::sim {
namespace {

struct Step {
  const Table* table;
  Operation op;
  Row before, after;

  const Row& key_holder() const { return op == Operation::kInsert ? after : before; }
};

std::vector<Step> steps_of(const Schema& schema, std::string_view changeset) {
  std::vector<Step> steps;
  ChangesetReader reader(changeset);
  Change change;
  while (reader.next(change)) {
    const Table* const table = schema.find(reader.table().name);
    if (table == nullptr) throw std::runtime_error("a changeset speaks of table " + reader.table().name);
    steps.push_back({table, change.op, row_of(change.before), row_of(change.after)});
  }
  return steps;
}

Row key_only(const Table& table, const Row& row) {
  Row key(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (table.columns[i].key_place != 0) key[i] = row[i];
  }
  return key;
}

ReferenceConflict conflict(const char* kind, const Table& table, const Row& key_holder, Row lost) {
  return {kind, table.name, key_only(table, key_holder), std::move(lost)};
}

// The columns that an update changes from something else than it knew.
Row unknown_before(const Step& update, const Row& row) {
  Row lost(row.size());
  bool any = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!update.after[i].known() || same_bits(update.before[i], row[i])) continue;
    lost[i] = row[i];
    any = true;
  }
  return any ? lost : Row();
}

// Whether the row has the values that the change knew, as SQLite compares them.
bool as_known(const Step& step, const Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool concerned =
        step.op == Operation::kDelete ? step.table->columns[i].key_place == 0 : step.after[i].known();
    if (concerned && !equal_values(step.before[i], row[i])) return false;
  }
  return true;
}

Row updated(Row row, const Row& after) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (after[i].known()) row[i] = after[i];
  }
  return row;
}

class Folding {
 public:
  Folding(DatabaseRows& rows, std::vector<ReferenceConflict>& conflicts) : rows_(rows), conflicts_(conflicts) {}

  // One change after the other; false if one is in the way of a unique rule.
  bool one_by_one(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      if (!apply(step)) return false;
    }
    return true;
  }

  // All rows of the set are taken out, then the new ones are put back.
  void as_set(const std::vector<Step>& steps) {
    struct Image {
      const Table* table;
      Row row;
    };
    std::vector<Image> images;
    for (const Step& step : steps) {
      const RowHandle row = find(*step.table, step.key_holder());
      if (step.op == Operation::kDelete) {
        erase(step, row);
      } else if (step.op == Operation::kInsert) {
        if (row) conflicts_.push_back(conflict("insert_exists", *step.table, *row, *row));
        images.push_back({step.table, step.after});
        if (row) take_out(*step.table, step.key_holder());
      } else if (!row) {
        conflicts_.push_back(conflict("update_missing", *step.table, step.before, step.after));
      } else {
        if (Row lost = unknown_before(step, *row); !lost.empty()) {
          conflicts_.push_back(conflict("update_differs", *step.table, *row, std::move(lost)));
        }
        images.push_back({step.table, updated(*row, step.after)});
        take_out(*step.table, step.key_holder());
      }
    }
    for (Image& image : images) put(*image.table, std::move(image.row));
  }

 private:
  TableRows& rows_of(const Table& table) { return rows_[table.name]; }

  RowHandle find(const Table& table, const Row& key_holder) {
    const auto found = rows_of(table).find(table.key_of(key_holder));
    return found == rows_of(table).end() ? nullptr : found->second;
  }

  void take_out(const Table& table, const Row& key_holder) { rows_of(table).erase(table.key_of(key_holder)); }

  void set(const Table& table, Row row) {
    as_stored(table, row);
    const std::string key = table.key_of(row);
    rows_of(table)[key] = std::make_shared<const Row>(std::move(row));
  }

  // Keys of other rows that hold what `row` must have for itself.
  std::vector<std::string> in_the_way(const Table& table, const Row& row) {
    std::vector<std::string> keys;
    if (table.unique.empty()) return keys;
    const std::string own = table.key_of(row);
    for (const auto& [key, other] : rows_of(table)) {
      if (key == own) continue;
      for (const UniqueRule& rule : table.unique) {
        const std::optional<std::string> entry = Table::index_entry(rule, row);
        if (!entry || Table::index_entry(rule, *other) != entry) continue;
        keys.push_back(key);
        break;
      }
    }
    return keys;
  }

  bool apply(const Step& step) {
    const RowHandle row = find(*step.table, step.key_holder());
    if (step.op == Operation::kDelete) {
      erase(step, row);
      return true;
    }
    Row image = step.after;
    if (step.op == Operation::kInsert) {
      if (row) conflicts_.push_back(conflict("insert_exists", *step.table, *row, *row));
    } else if (!row) {
      conflicts_.push_back(conflict("update_missing", *step.table, step.before, step.after));
      return true;
    } else {
      image = updated(*row, step.after);
      if (!as_known(step, *row)) {
        conflicts_.push_back(conflict("update_differs", *step.table, *row, unknown_before(step, *row)));
      }
    }
    if (!in_the_way(*step.table, image).empty()) return false;
    set(*step.table, std::move(image));
    return true;
  }

  void erase(const Step& step, const RowHandle& row) {
    if (!row) {
      conflicts_.push_back(conflict("delete_missing", *step.table, step.before, {}));
      return;
    }
    if (!as_known(step, *row)) conflicts_.push_back(conflict("delete_differs", *step.table, *row, *row));
    take_out(*step.table, step.before);
  }

  void put(const Table& table, Row row) {
    for (const std::string& key : in_the_way(table, row)) {
      const RowHandle displaced = rows_of(table).at(key);
      conflicts_.push_back(conflict("displaced", table, *displaced, *displaced));
      rows_of(table).erase(key);
    }
    set(table, std::move(row));
  }

  DatabaseRows& rows_;
  std::vector<ReferenceConflict>& conflicts_;
};

bool any_unique(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    if (!step.table->unique.empty()) return true;
  }
  return false;
}

}  // namespace

void as_stored(const Table& table, Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (table.columns[i].affinity == Affinity::kReal && row[i].type == Cell::Type::kReal && row[i].real == 0) {
      row[i].real = 0;
    }
  }
}

std::vector<ReferenceConflict> reference_fold(const Schema& schema, DatabaseRows& rows, std::string_view changeset) {
  const std::vector<Step> steps = steps_of(schema, changeset);
  std::vector<ReferenceConflict> conflicts;
  if (!any_unique(steps)) {
    Folding(rows, conflicts).one_by_one(steps);
    return conflicts;
  }
  DatabaseRows attempt = rows;
  if (Folding(attempt, conflicts).one_by_one(steps)) {
    rows = std::move(attempt);
    return conflicts;
  }
  conflicts.clear();
  Folding(rows, conflicts).as_set(steps);
  return conflicts;
}

}  // namespace colony::sim
