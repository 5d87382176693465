// Whether a statement is about to change a schema, told from its text alone: SQLite's
// interface does not tell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace colony {

struct SchemaStatement {
  // That it names: `temp`, `main` or an attached file's. Empty: none, so that it may be any.
  std::string schema;
};

// Nothing unless `sql` begins with CREATE, DROP or ALTER. Never throws but std::bad_alloc.
std::optional<SchemaStatement> schema_statement(std::string_view sql);

}  // namespace colony
