#include "replicator/file/file_keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "replicator/file/deleted_file_holder.h"

namespace colony {
namespace {

constexpr int kLockWaitMs = 50;

Database open_beside(const std::string& path) {
  Database db(path, Database::Mode::kReadWrite);
  db.query_integer("SELECT count(*) FROM sqlite_schema");  // from here on it has the log open
  sqlite3_busy_timeout(db.handle(), kLockWaitMs);
  return db;
}

}  // namespace

class FileKeeper::Held {
 public:
  explicit Held(std::string path) : path_(std::move(path)), descriptor_(open(path_.c_str(), O_PATH | O_CLOEXEC)) {
    if (descriptor_ < 0 || fstat(descriptor_, &file_) != 0) {
      throw Error("cannot look at " + path_ + ": " + std::strerror(errno));
    }
  }
  ~Held() { close(descriptor_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  // What is at its path now; errno says why there is nothing.
  There there(off_t* size = nullptr) const {
    struct stat now {};
    if (stat(path_.c_str(), &now) != 0) return There::kNone;
    if (size != nullptr) *size = now.st_size;
    return now.st_ino == file_.st_ino && now.st_dev == file_.st_dev ? There::kSame : There::kOther;
  }
  bool is_deleted() const {
    struct stat now {};
    return fstat(descriptor_, &now) == 0 && now.st_nlink == 0;
  }
  // Where it is now, as far as the kernel knows.
  std::string name_now() const {
    char name[PATH_MAX];
    const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(descriptor_)).c_str(), name, sizeof name);
    return length > 0 ? std::string(name, static_cast<std::size_t>(length)) : "another name";
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_;
  struct stat file_ {};
};

FileKeeper::FileKeeper(const std::string& database)
    : path_(database),
      probe_(open(database.c_str(), O_RDONLY | O_CLOEXEC)),
      database_(std::make_unique<Held>(database)),
      locking_(open_beside(database)),
      copying_(open_beside(database)) {
  if (probe_ < 0) throw Error("cannot open " + database + ": " + std::strerror(errno));
  log_ = std::make_unique<Held>(database + "-wal");
  index_ = std::make_unique<Held>(database + "-shm");
}

FileKeeper::~FileKeeper() {
  locking_ = Database();
  copying_ = Database();
  close(probe_);
}

FileKeeper::Report FileKeeper::look() {
  Report report = look_at_database();
  if (report.finding == Finding::kReplaced) disarm_log();
  if (report.finding != Finding::kWell) return report;
  if (log_->there() == There::kSame && index_->there() == There::kSame) return {};
  return save_lost_log();
}

FileKeeper::Report FileKeeper::look_at_database() const {
  const There there = database_->there();
  const int why = errno;
  if (there == There::kSame) return {};
  if (there == There::kOther) {
    return {Finding::kReplaced,
            path_ +
                " was replaced by another file under the sidecar: stop the programs that had the former one open "
                "and this sidecar, remove " +
                log_->path() + " and " + index_->path() + ", which are the former one's, and start them again"};
  }
  if (why != ENOENT && why != ENOTDIR) {
    return {Finding::kAway, path_ + " cannot be looked at: " + std::strerror(why) +
                                ": give the user of the sidecar his rights back, and it goes on by itself"};
  }
  if (database_->is_deleted()) {
    return {Finding::kAway, path_ +
                                " was deleted under the sidecar: stop it, and start it with a good copy, or with none "
                                "as a new node"};
  }
  return {Finding::kAway, path_ + " was moved to " + database_->name_now() +
                              " under the sidecar: move it back with the files beside it, and it goes on by itself; or "
                              "stop the programs and the sidecar, and start them on it there"};
}

FileKeeper::Report FileKeeper::save_lost_log() {
  const There log = log_->there();
  const std::string what =
      (log == There::kSame ? index_->path() : log_->path()) + " was deleted or replaced while " + path_ + " is open";
  off_t bytes = 0;
  const bool new_log_begun = log_->there(&bytes) == There::kOther && bytes > 0;
  const bool has_new_index = index_->there() == There::kOther;
  hold_write_lock();
  if (new_log_begun || has_new_index) {
    return {Finding::kLogLost, what +
                                   ", and another program has already made a new one: stop all programs that have the "
                                   "database open; the sidecar then goes on by itself. Run colony verify afterwards"};
  }
  write_back(SQLITE_CHECKPOINT_PASSIVE);
  return {Finding::kLogLost,
          what +
              ": what was committed is safe, and no program can write now (database is locked): stop the programs that "
              "have the database open, and start them again; the sidecar then goes on by itself"};
}

// What SQLite would take for the new file's log, as long as nobody has.
void FileKeeper::disarm_log() {
  if (disarmed_ || log_->there() != There::kSame) return;
  const int other = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (other < 0) return;
  const pid_t user = other_user_of(other);
  close(other);  // this process has no locks on that one
  if (user != 0) return;
  write_back(SQLITE_CHECKPOINT_TRUNCATE);
  struct stat log {};
  disarmed_ = stat(log_->path().c_str(), &log) == 0 && log.st_size == 0;
  hold_write_lock();
}

void FileKeeper::hold_write_lock() {
  if (holds_lock_) return;
  holds_lock_ = sqlite3_exec(locking_.handle(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK;
}

void FileKeeper::write_back(int checkpoint_mode) {
  sqlite3_wal_checkpoint_v2(copying_.handle(), nullptr, checkpoint_mode, nullptr, nullptr);
}

bool FileKeeper::can_begin_anew() const {
  if (other_user_of(probe_) == 0) return true;
  return holder_of_deleted(log_->path()) == 0 && holder_of_deleted(index_->path()) == 0;
}

void refuse_lost_log(const std::string& database) {
  for (const char* const suffix : {"-wal", "-shm"}) {
    const pid_t holder = holder_of_deleted(database + suffix);
    if (holder == 0) continue;
    throw Error("process " + std::to_string(holder) + " has " + database + " open, and " + database + suffix +
                " was deleted under it: stop that program first, or what it commits is lost");
  }
}

}  // namespace colony
