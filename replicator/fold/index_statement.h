// What a CREATE INDEX statement says, told from its text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

std::string indexed_table(const std::string& create_index);

// Between the parentheses of CREATE INDEX, and what comes after WHERE.
std::pair<std::vector<std::string>, std::string> index_terms(const std::string& create_index);

// Whether a table has the columns that an index names. Names in double quotes that are none
// would be taken for strings.
bool has_columns_of(Database& db, const std::string& create_index);

}  // namespace colony
