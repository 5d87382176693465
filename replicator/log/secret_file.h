// Files that hold a secret: read so that nobody else's eyes are on them.
//
// Threads: any. Errors: Error with the file's name, and never with what is in it.
#pragma once

#include <string>

namespace colony {

// Throws Error if it cannot be read, or if everybody can read it.
void require_secret_file(const std::string& path);

// Whether its group can read it: worth a warning, but what keepers of secrets do.
bool group_can_read(const std::string& path);

// The file's text without the line end after it. Throws as above.
std::string read_secret(const std::string& path);

// Makes the file, readable by its user alone; on the disk when this returns. Throws
// Error if it is there already.
void write_secret(const std::string& path, const std::string& text);

}  // namespace colony
