// What a transaction does to the schema, as it stands in its changeset: the objects that
// it makes, alters and drops, in the order in which that is to be done. The rows of the
// transaction come under the schema after all of them.
//
// A change says what there was before, so that it can be taken back, and so that who meets
// another schema can tell. Rows that it destroys are not part of it: who may have to take it
// back keeps them beside it.
//
// docs/formats.md has the bytes. Threads: none of this is shared. Errors: ChangesetError
// for bytes that are none.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sqlite_ext/changeset.h"

namespace colony {

struct SchemaChange {
  enum class Kind : std::uint8_t {
    kCreate = 1,
    kDrop = 2,
    kAddColumn = 3,
    kRenameTable = 4,
    kRenameColumn = 5,
    kRemake = 6,   // a table: the rows go over by the names of their columns
    kReplace = 7,  // an index, view or trigger, by another of its name
  };

  Kind kind = Kind::kCreate;
  std::string type;    // `table`, `index`, `view` or `trigger`; of a column, `table`
  std::string name;    // of the object before; of a column, its table
  std::string column;  // before; empty unless it is about one
  // The CREATE statement, of what is dropped too; of a column that is added, its definition;
  // of one that is renamed, its new name with the quotes that its statement gave it.
  std::string sql;
  std::string to;      // of what is renamed, its new name
  std::string former;  // of what is remade or replaced, or a table that is renamed, the CREATE statement that it had
  // Of a table that is remade: its new columns, and what rows that were there have in them, as
  // a value of a changeset. Of what is renamed, in what is kept to take it back: the objects
  // whose text was changed by that, and their texts before.
  std::vector<std::pair<std::string, std::string>> fills = {};

  bool operator==(const SchemaChange&) const = default;
};

using SchemaChanges = std::vector<SchemaChange>;

// Whether rows beneath it can be changed as if it had not been made.
bool leaves_rows_alone(const SchemaChange& change);
bool leave_rows_alone(const SchemaChanges& changes);

// Unique indexes are made once the rows are what they are after the transaction: earlier they
// may have no room for them. These are the changes that come before the rows, and those after.
SchemaChanges before_rows(const SchemaChanges& changes);
SchemaChanges after_rows(const SchemaChanges& changes);

// The section of a changeset that has them; nothing if there are none. `known` says how many
// changes of tables its origin knew, its own included (layout_log.h): what the log has besides
// was made at the same time.
std::string encoded(const SchemaChanges& changes, std::uint64_t known = 0);

// Whether a changeset begins with such a section.
bool begins_with_schema(std::string_view changeset);

// A changeset, and the changes of the schema that come before its rows. What a transaction
// has really done in a file may begin with the rows that it has changed before the schema.
struct SchemaAndRows {
  ChangesetView before;
  SchemaChanges schema;
  std::uint64_t known = 0;  // see encoded()
  ChangesetView rows;
};
SchemaAndRows split_schema(ChangesetView changeset);

// The definition of one column, as a CREATE TABLE statement has it: all between the commas.
// Empty if it has no such column.
std::string column_definition(std::string_view create_table, const std::string& column);

// Whether two statements say the same: the same tokens, whatever is between them, names
// and words in any case and with or without quotes.
bool same_statement(std::string_view a, std::string_view b);

}  // namespace colony
