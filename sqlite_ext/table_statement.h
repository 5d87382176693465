// What a statement is about to do to a table as a whole, told from its text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace colony {

struct TableStatement {
  enum class Kind { kCreate, kDrop, kRename, kRenameColumn, kDropColumn };

  Kind kind = Kind::kCreate;
  std::string schema;  // empty: none is named
  std::string table;
  std::string column;         // that is renamed or dropped
  std::string to;             // the new name of what is renamed
  std::string to_as_written;  // likewise, with the quotes that it may have
};

// Nothing if it is none of these. A temporary table is none.
std::optional<TableStatement> table_statement(std::string_view sql);

}  // namespace colony
