// Values as SQL text.
#pragma once

#include <string>
#include <string_view>

#include "sqlite_ext/changeset.h"

namespace colony {

// An expression that has this value, bit for bit, whatever its text holds.
std::string sql_literal(const Value& value);
std::string sql_literal(std::string_view text);

}  // namespace colony
