// A trigger's definition, taken apart into its head and its statements, so that a copy
// can be made that has some of the statements only.
//
// All views are into the text that was given. Errors: Error, for what is no trigger.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sqlite_ext/sql_tokens.h"

namespace colony {

enum class RowEvent { kInsert, kUpdate, kDelete };

struct TriggerStatement {
  bool writes = false;    // INSERT, REPLACE, UPDATE or DELETE; false: SELECT
  bool inserts = false;   // INSERT or REPLACE
  std::string target;     // the table or view that it writes; names here cannot be qualified
  std::string_view text;  // without the semicolon
  std::vector<SqlToken> tokens;

  bool uses_word(std::string_view upper) const;
};

struct TriggerText {
  enum class Timing { kBefore, kAfter, kInsteadOf };
  Timing timing = Timing::kBefore;
  RowEvent event = RowEvent::kInsert;
  std::string_view head;  // what is between the name and BEGIN
  std::vector<TriggerStatement> statements;

  // The statement that makes a TEMP trigger with this head and these statements.
  std::string temp_copy(const std::string& name, const std::vector<const TriggerStatement*>& kept) const;
};

// `create_trigger` as sqlite_schema has it.
TriggerText take_trigger_apart(std::string_view create_trigger);

}  // namespace colony
