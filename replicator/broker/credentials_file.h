// A .creds file: a user's token and the seed of its nkey, a section each between lines of
// dashes. The client library reads it by itself, and does not say of which file it could
// make nothing.
#pragma once

#include <string>

namespace colony {

// Throws Error that names the file and what is wrong with it, never what is in it: it
// cannot be read, everybody can read it, a section is missing or is no token or seed.
void check_credentials_file(const std::string& path);

}  // namespace colony
