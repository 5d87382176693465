#include "replicator/apply/own_chunks.h"

#include "replicator/log/error.h"

namespace colony {

void check_own_chunks(NodeFile& file, const PlannedMessage& message) {
  for (const OwnChunk& chunk : message.own_chunks) {
    const std::optional<OutboxChunk> waiting = file.outbox_chunk(chunk.number);
    if (waiting && waiting->changeset == chunk.changeset && waiting->last == chunk.last) continue;
    throw Halt("entry " + std::to_string(message.message->sequence.value()) + " of the log has a transaction number " +
               std::to_string(chunk.number.value()) + " of node " + file.identity().node +
               " that differs from this file's own: this file is a copy of, or an older backup of, a file that has "
               "written since. Stop this sidecar and give the file a name of its own: colony init DB --cluster " +
               file.identity().cluster + " --node NEW --keep-pending");
  }
}

}  // namespace colony
