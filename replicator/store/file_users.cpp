#include "replicator/store/file_users.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "replicator/store/wal_index.h"

namespace colony {
namespace {

constexpr std::size_t kCommandShownMax = 60;
constexpr const char* kExtensionName = "/colony.so";

using FileId = std::pair<dev_t, ino_t>;

std::optional<FileId> id_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return std::nullopt;
  return FileId(file.st_dev, file.st_ino);
}

std::string proc(pid_t process, const std::string& what) { return "/proc/" + std::to_string(process) + "/" + what; }

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

// The names in a folder; nothing if it may not be read or is gone.
std::optional<std::vector<std::string>> names_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
  if (!folder) return std::nullopt;
  std::vector<std::string> names;
  while (const dirent* const entry = readdir(folder.get())) names.emplace_back(entry->d_name);
  return names;
}

std::vector<pid_t> processes() {
  std::vector<pid_t> found;
  for (const std::string& name : names_in("/proc").value_or(std::vector<std::string>())) {
    const pid_t process = std::atoi(name.c_str());
    if (process > 0 && process != getpid()) found.push_back(process);
  }
  return found;
}

// The words of its command line, without the folder of the first.
std::string command_of(pid_t process) {
  std::ifstream in(proc(process, "cmdline"), std::ios::binary);
  std::string command{std::istreambuf_iterator<char>(in), {}};
  while (!command.empty() && command.back() == '\0') command.pop_back();
  const std::size_t first_end = std::min(command.find('\0'), command.size());
  if (const std::size_t slash = command.substr(0, first_end).rfind('/'); slash != std::string::npos) {
    command.erase(0, slash + 1);
  }
  for (char& c : command) c = c == '\0' ? ' ' : static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  if (command.size() > kCommandShownMax) command = command.substr(0, kCommandShownMax) + "...";
  return command;
}

bool has_extension(pid_t process) {
  std::ifstream maps(proc(process, "maps"));
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(" (deleted)")) line.resize(line.size() - 10);
    if (line.ends_with(kExtensionName)) return true;
  }
  return false;
}

// Whether the file's mode lets the user of this process write it; root, who may all,
// counts where the file is his. The kernel's own have no command line.
bool may_write(pid_t process, const struct stat& file) {
  if (command_of(process).empty()) return false;
  struct stat folder {};
  if (stat(proc(process, "").c_str(), &folder) != 0) return false;
  if (folder.st_uid == file.st_uid) return (file.st_mode & S_IWUSR) != 0;
  if (folder.st_uid == 0) return false;
  std::ifstream status(proc(process, "status"));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("Gid:") && !line.starts_with("Groups:")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (gid_t group; words >> group;) {
      if (group == file.st_gid) return (file.st_mode & S_IWGRP) != 0;
    }
  }
  return (file.st_mode & S_IWOTH) != 0;
}

class Search {
 public:
  explicit Search(const std::string& database) {
    stat(database.c_str(), &file_);
    for (const char* suffix : {"", "-wal", "-shm"}) {
      if (const auto id = id_of(database + suffix)) files_.insert(*id);
    }
    self_ = id_of("/proc/self/exe");
    for (const LockHolder& holder : WalIndex(database).users()) lock_holders_.insert(holder.process);
  }

  FileUsers run() {
    if (lock_holders_.contains(0)) found_.processes.push_back({});
    for (const pid_t process : processes()) look_at(process);
    std::sort(found_.processes.begin(), found_.processes.end(),
              [](const FileUser& a, const FileUser& b) { return a.process < b.process; });
    return std::move(found_);
  }

 private:
  void look_at(pid_t process) {
    const auto descriptors = names_in(proc(process, "fd"));
    const bool is_hidden = !descriptors && errno == EACCES;
    bool has_it = lock_holders_.contains(process);
    for (const std::string& name : descriptors.value_or(std::vector<std::string>())) {
      if (has_it) break;
      const auto id = id_of(proc(process, "fd/" + name));
      has_it = id && files_.contains(*id);
    }
    if (has_it) {
      const bool is_colony = self_ && id_of(proc(process, "exe")) == self_;
      found_.processes.push_back({process, command_of(process), has_extension(process), is_colony});
    } else if (is_hidden && may_write(process, file_)) {
      ++found_.hidden;
    }
  }

  struct stat file_ {};
  std::set<FileId> files_;
  std::optional<FileId> self_;
  std::set<pid_t> lock_holders_;
  FileUsers found_;
};

}  // namespace

FileUsers users_of(const std::string& database) { return Search(database).run(); }

std::optional<FileUser> exclusive_user_of(const std::string& database) {
  // SQLite's SHARED bytes, of which every reader locks some (os_unix.c).
  constexpr off_t kShared = 0x40000002, kSharedBytes = 510;
  const int file = open(database.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kShared;
  lock.l_len = kSharedBytes;
  const bool is_locked = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(file);
  if (!is_locked) return std::nullopt;
  const pid_t process = std::max<pid_t>(lock.l_pid, 0);
  return FileUser{process, process == 0 ? std::string() : command_of(process)};
}

std::string to_string(const FileUser& user) {
  if (user.process == 0) return "a process of another container";
  return "process " + std::to_string(user.process) + (user.command.empty() ? "" : " (" + user.command + ")");
}

}  // namespace colony
