// The values of a record, SQLite's form of a row (sqlite.org/fileformat2.html, 2.1).
//
// Threads: none. Values are views of the record's bytes.
#pragma once

#include <string_view>
#include <vector>

#include "sqlite_ext/changeset.h"

namespace colony {

// False if the bytes are no record. Text is as it stands: in the encoding of its database.
bool read_record(std::string_view record, std::vector<Value>& values);

}  // namespace colony
