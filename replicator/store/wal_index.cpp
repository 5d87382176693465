#include "replicator/store/wal_index.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

namespace colony {
namespace {

// Of the file's first page.
constexpr off_t kPagesAt = 16;
constexpr off_t kCheckpointedAt = 96;
constexpr off_t kReadMarksAt = 100;
constexpr off_t kWriteLock = 120;
constexpr off_t kReadLocks = 123;
constexpr off_t kOpenLock = 128;  // shared by all who have the index open
constexpr int kReaders = 5;

template <class Integer>
std::optional<Integer> read_at(int file, off_t offset) {
  Integer value;
  if (pread(file, &value, sizeof value, offset) != static_cast<ssize_t>(sizeof value)) return std::nullopt;
  return value;
}

std::string command_of(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/comm");
  std::string name;
  std::getline(in, name);
  return name;
}

std::vector<LockHolder> named(const std::vector<pid_t>& processes) {
  std::vector<LockHolder> holders;
  for (const pid_t process : processes) holders.push_back({process, command_of(process)});
  return holders;
}

// A line of /proc/locks: `7: POSIX  ADVISORY  READ 4711 08:01:1234 124 124`.
struct HeldLock {
  pid_t process = 0;
  std::string file;
  off_t first = 0;
  std::string last;  // EOF, perhaps

  bool covers(off_t byte) const { return first <= byte && (last == "EOF" || byte <= std::atoll(last.c_str())); }
};

std::vector<HeldLock> locks_of_machine() {
  std::vector<HeldLock> locks;
  std::ifstream in("/proc/locks");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string number, kind, strictness, access;
    HeldLock lock;
    // A request that waits has an arrow in the second place.
    if (words >> number >> kind >> strictness >> access >> lock.process >> lock.file >> lock.first >> lock.last &&
        kind == "POSIX") {
      locks.push_back(lock);
    }
  }
  return locks;
}

}  // namespace

std::string to_string(const std::vector<LockHolder>& holders) {
  std::string text;
  for (const LockHolder& holder : holders) {
    if (!text.empty()) text += ", ";
    if (holder.process == 0) {
      text += "a process of another container";
      continue;
    }
    text += "process " + std::to_string(holder.process);
    if (!holder.command.empty()) text += " (" + holder.command + ")";
  }
  return text.empty() ? "a process that is not known" : text;
}

WalIndex::~WalIndex() {
  if (file_ >= 0) close(file_);
}

bool WalIndex::open() {
  // Writable, because only then may one ask for a lock that excludes others.
  if (file_ < 0) file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  return file_ >= 0;
}

std::optional<WalIndex::Fill> WalIndex::fill() {
  if (!open()) return std::nullopt;
  const auto pages = read_at<std::uint32_t>(file_, kPagesAt);
  const auto checkpointed = read_at<std::uint32_t>(file_, kCheckpointedAt);
  if (!pages || !checkpointed) return std::nullopt;
  return Fill{*pages, std::min(*pages, *checkpointed)};
}

// The system tells one of those who are in the way of a lock; who shares it with that
// one is found in its list of all locks, under the same name of the file.
std::vector<pid_t> WalIndex::holders_of(off_t byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  if (!open() || fcntl(file_, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return {};
  std::vector<pid_t> processes{std::max<pid_t>(lock.l_pid, 0)};
  if (processes.front() == 0) return processes;
  const std::vector<HeldLock> locks = locks_of_machine();
  const auto known = std::find_if(locks.begin(), locks.end(), [&](const HeldLock& held) {
    return held.process == processes.front() && held.covers(byte);
  });
  if (known == locks.end()) return processes;
  for (const HeldLock& held : locks) {
    const bool is_new = std::find(processes.begin(), processes.end(), held.process) == processes.end();
    if (held.file == known->file && held.covers(byte) && held.process != getpid() && is_new) {
      processes.push_back(held.process);
    }
  }
  return processes;
}

std::vector<LockHolder> WalIndex::users() { return named(holders_of(kOpenLock)); }

std::vector<LockHolder> WalIndex::writers() { return named(holders_of(kWriteLock)); }

std::vector<LockHolder> WalIndex::readers_in_the_way() {
  std::vector<LockHolder> holders;
  const std::optional<Fill> fill = this->fill();
  if (!fill) return holders;
  for (int i = 0; i < kReaders; ++i) {
    const auto mark = read_at<std::uint32_t>(file_, kReadMarksAt + 4 * i);
    // Who reads the newest state is in nobody's way as long as there are pages to copy.
    if (fill->checkpointed < fill->pages && mark && *mark >= fill->pages) continue;
    // The first slot is of those who need no page of the log: only the copying is in theirs.
    if (i == 0 && fill->checkpointed == fill->pages) continue;
    for (const pid_t process : holders_of(kReadLocks + i)) {
      const LockHolder holder{process, command_of(process)};
      if (std::find(holders.begin(), holders.end(), holder) == holders.end()) holders.push_back(holder);
    }
  }
  return holders;
}

}  // namespace colony
