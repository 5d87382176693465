// Giving a file another life in its colony: another name, another incarnation.
#pragma once

#include <string>

#include "replicator/store/sqlite.h"

namespace colony {

// Makes the file node `node`, inside the caller's transaction. Its unsent
// transactions become the new node's, or are taken out of the rows, for the file
// that this is a copy of to send. Throws Error when somebody has the name, and when
// taking out would lose what nobody else can send, since the former node has left.
void rename_node(Database& db, const std::string& node, bool keep_pending);

}  // namespace colony
