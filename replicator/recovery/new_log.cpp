#include "replicator/recovery/new_log.h"

#include <algorithm>

#include "replicator/log/error.h"
#include "sqlite_ext/crash_step.h"

namespace colony {

void move_to_new_log(const std::string& path, const std::string& epoch, Sequence position,
                     const VersionVector& version_vector, const std::vector<std::string>& other_logs) {
  Database db(path, Database::Mode::kReadWrite);
  constexpr int kFileLockWaitMs = 10'000;
  sqlite3_busy_timeout(db.handle(), kFileLockWaitMs);
  NodeFile file(db);
  WriteTransaction transaction(db);
  if (version_vector_of(file) != version_vector) {
    throw Error(path + " has absorbed more since it was compared with the other nodes: run colony recover again");
  }
  std::vector<std::string> former = file.former_epochs();
  std::vector<std::string> more = other_logs;
  more.push_back(file.epoch());
  for (const std::string& log : more) {
    if (!log.empty() && std::find(former.begin(), former.end(), log) == former.end()) former.push_back(log);
  }
  file.set_former_epochs(former);
  file.set_epoch(epoch);
  file.set_position(position, 0, file.log_bytes());
  COLONY_STEP("recover.file_written");
  transaction.commit();
}

}  // namespace colony
