// What changes of a schema lead to: they are made once more, on a database in memory.
//
// Threads: none. Errors: std::bad_alloc.
#pragma once

#include <map>
#include <string>

#include "sqlite_ext/schema_difference.h"

namespace colony {

// The statement of each object after them. What only the app's connection can compile, or
// needs a module that is not there, is missing.
std::map<std::string, std::string> rehearse(const SchemaObjects& before, const SchemaChanges& changes);

}  // namespace colony
