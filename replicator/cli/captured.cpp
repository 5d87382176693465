#include "replicator/cli/captured.h"

#include "replicator/wal/own_transaction.h"

namespace colony::cli {

void look_at_captured(const std::string& path, const std::function<bool()>& go_on,
                      const std::function<void(NodeFile& file)>& look) {
  Database db(path, Database::Mode::kReadOnly);
  try {
    const BegunRead reading(db, captured_reads(path, go_on));
    NodeFile file(db);
    look(file);
  } catch (const WalLost& lost) {  // somebody was faster
    throw NotCaptured(path + ": " + lost.what());
  }
}

}  // namespace colony::cli
