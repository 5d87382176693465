#include "replicator/membership/renaming.h"

#include <cstdint>

#include "replicator/apply/rebase.h"
#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/store/node_file.h"

namespace colony {
namespace {

// Makes the pending transactions those of a new node, whose numbers begin at 1.
void renumber_pending(Database& db, const std::string& node) {
  const std::string shift = std::to_string(db.query_integer("SELECT min(piece) - 1 FROM __colony_outbox"));
  db.execute("UPDATE __colony_outbox SET piece = piece - " + shift);
  Statement(db, "UPDATE __colony_conflicts SET origin = ?1, piece = piece - " + shift + " WHERE sequence = 0")
      .bind(1, node)
      .run();
}

void check_name_is_free(NodeFile& file, const std::string& node) {
  const auto origins = file.origins();
  const auto holder = origins.find(node);
  if (holder == origins.end()) return;
  throw Error("the name " + node + " in colony " + file.identity().cluster + " belongs to " + holder->second.host +
              ":" + holder->second.path + " already: choose another one");
}

}  // namespace

void rename_node(Database& db, const std::string& node, bool keep_pending) {
  NodeFile file(db);
  check_name_is_free(file, node);
  const std::int64_t pending = file.pending_transactions();
  if (pending > 0 && !keep_pending && file.has_left(file.identity().incarnation)) {
    throw Error(std::to_string(pending) + " transactions were not sent before node " + file.identity().node +
                " left, and no other file has them: add --keep-pending, and node " + node + " sends them");
  }
  if (keep_pending) {
    renumber_pending(db, node);
  } else {
    // The node that this is a copy of will send them: they come back by the log.
    take_out_pending(db, file);
  }
  Statement(db, "UPDATE __colony_meta SET value = ?1 WHERE key = 'node'").bind(1, node).run();
  Statement(db, "UPDATE __colony_meta SET value = ?1 WHERE key = 'incarnation'")
      .bind(1, static_cast<std::int64_t>(new_incarnation().value()))
      .run();
  file.set_absorbed(ChunkNumber());
}

}  // namespace colony
