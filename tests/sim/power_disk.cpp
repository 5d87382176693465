#include "tests/sim/power_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <set>
#include <vector>

#include "replicator/log/error.h"

namespace colony::sim {
namespace {

constexpr std::size_t kSector = 512;
constexpr int kPathMax = 512;

struct Write {
  std::size_t at = 0;
  std::string bytes;
  bool truncates = false;  // to `at`
};

void put(const Write& write, std::string& content) {
  if (write.truncates) return content.resize(std::min(content.size(), write.at));
  if (content.size() < write.at + write.bytes.size()) content.resize(write.at + write.bytes.size());
  content.replace(write.at, write.bytes.size(), write.bytes);
}

// Some of its sectors.
void put_torn(const Write& write, std::string& content, Random& random) {
  if (write.truncates) return random.percent(50) ? put(write, content) : void();
  for (std::size_t from = 0; from < write.bytes.size();) {
    const std::size_t to = std::min(write.bytes.size(), ((write.at + from) / kSector + 1) * kSector - write.at);
    if (random.percent(50)) put({write.at + from, write.bytes.substr(from, to - from), false}, content);
    from = to;
  }
}

struct Handle;

}  // namespace

struct PowerDisk::File {
  std::string now, on_disk;
  std::vector<Write> unflushed;
  bool is_named_on_disk = false;
  std::uint64_t flushes = 0;
  int flushes_to_fail = 0;

  std::set<Handle*> handles;
  std::vector<std::unique_ptr<std::array<char, 32768>>> index;  // the wal-index: memory, gone with the power

  void add(Write write) {
    put(write, now);
    unflushed.push_back(std::move(write));
  }
  void flush() {
    for (const Write& write : unflushed) put(write, on_disk);
    unflushed.clear();
  }
  // Without `random`: what was flushed, and no more.
  std::string survivor(Random* random) const {
    std::string content = on_disk;
    if (random == nullptr) return content;
    const std::size_t kind = random->below(4);
    if (kind == 0) return content;
    if (kind == 1) return now;
    const std::size_t in_order = kind == 2 ? random->below(unflushed.size() + 1) : 0;
    for (std::size_t i = 0; i < in_order; ++i) put(unflushed[i], content);
    for (std::size_t i = in_order; kind == 3 && i < unflushed.size(); ++i) put_torn(unflushed[i], content, *random);
    return content;
  }
};

namespace {

using File = PowerDisk::File;

struct Handle : sqlite3_file {
  std::shared_ptr<File> file;
  bool names_file = false;  // its first flush brings the name to disk, too
  int lock = SQLITE_LOCK_NONE;
  unsigned shared = 0, exclusive = 0;  // locks of the wal-index, as bits
  bool maps_index = false;
};

Handle& handle_of(sqlite3_file* file) { return *static_cast<Handle*>(file); }

template <class Is>
bool is_any_other(Handle& self, Is is) {
  const std::set<Handle*>& all = self.file->handles;
  return std::any_of(all.begin(), all.end(), [&](Handle* other) { return other != &self && is(*other); });
}

int close_file(sqlite3_file* file) {
  Handle& self = handle_of(file);
  self.file->handles.erase(&self);
  self.~Handle();
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* into, int count, sqlite3_int64 at) {
  const std::string& content = handle_of(file).file->now;
  const auto size = static_cast<std::size_t>(count), from = std::min(static_cast<std::size_t>(at), content.size());
  const std::size_t there = std::min(size, content.size() - from);
  std::memset(into, 0, size);
  std::memcpy(into, content.data() + from, there);
  return there == size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  handle_of(file).file->add(
      {static_cast<std::size_t>(at), {static_cast<const char*>(from), std::size_t(count)}, false});
  return SQLITE_OK;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  handle_of(file).file->add({static_cast<std::size_t>(size), "", true});
  return SQLITE_OK;
}

int flush_file(sqlite3_file* file, int) {
  Handle& self = handle_of(file);
  if (self.file->flushes_to_fail > 0) {
    --self.file->flushes_to_fail;
    return SQLITE_IOERR_FSYNC;
  }
  ++self.file->flushes;
  self.file->flush();
  if (self.names_file) self.file->is_named_on_disk = true;
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(handle_of(file).file->now.size());
  return SQLITE_OK;
}

int lock_file(sqlite3_file* file, int level) {
  Handle& self = handle_of(file);
  if (level <= self.lock) return SQLITE_OK;
  const auto others_have = [&](int from) { return is_any_other(self, [&](Handle& o) { return o.lock >= from; }); };
  if (level == SQLITE_LOCK_SHARED && others_have(SQLITE_LOCK_PENDING)) return SQLITE_BUSY;
  if (level >= SQLITE_LOCK_RESERVED && others_have(SQLITE_LOCK_RESERVED)) return SQLITE_BUSY;
  if (level == SQLITE_LOCK_EXCLUSIVE && others_have(SQLITE_LOCK_SHARED)) {
    self.lock = SQLITE_LOCK_PENDING;
    return SQLITE_BUSY;
  }
  self.lock = level;
  return SQLITE_OK;
}

int unlock_file(sqlite3_file* file, int level) {
  handle_of(file).lock = std::min(level, handle_of(file).lock);
  return SQLITE_OK;
}

int check_reserved(sqlite3_file* file, int* is_reserved) {
  Handle& self = handle_of(file);
  *is_reserved = self.lock >= SQLITE_LOCK_RESERVED ||
                 is_any_other(self, [](Handle& other) { return other.lock >= SQLITE_LOCK_RESERVED; });
  return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return kSector; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int map_index(sqlite3_file* file, int region, int, int extend, void volatile** memory) {
  Handle& self = handle_of(file);
  self.maps_index = true;
  auto& index = self.file->index;
  while (extend != 0 && index.size() <= static_cast<std::size_t>(region)) {
    index.push_back(std::make_unique<std::array<char, 32768>>());
    index.back()->fill(0);
  }
  *memory = static_cast<std::size_t>(region) < index.size() ? index[static_cast<std::size_t>(region)]->data() : nullptr;
  return SQLITE_OK;
}

int lock_index(sqlite3_file* file, int first, int count, int flags) {
  Handle& self = handle_of(file);
  const unsigned bits = ((1u << count) - 1) << first;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    self.shared &= ~bits;
    self.exclusive &= ~bits;
    return SQLITE_OK;
  }
  const bool excludes = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  const bool is_taken = is_any_other(
      self, [&](Handle& other) { return ((other.exclusive | (excludes ? other.shared : 0)) & bits) != 0; });
  if (is_taken) return SQLITE_BUSY;
  (excludes ? self.exclusive : self.shared) |= bits;
  return SQLITE_OK;
}

void index_barrier(sqlite3_file*) {}

int unmap_index(sqlite3_file* file, int) {
  Handle& self = handle_of(file);
  self.shared = self.exclusive = 0;
  self.maps_index = false;
  if (!is_any_other(self, [](Handle& other) { return other.maps_index; })) self.file->index.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods kFileMethods = {
    2,          close_file,    read_file,      write_file,   truncate_file, flush_file,      size_of_file,
    lock_file,  unlock_file,   check_reserved, control_file, sector_size,   characteristics, map_index,
    lock_index, index_barrier, unmap_index,    nullptr,      nullptr};

}  // namespace

// What SQLite calls; a class of its own, to reach into the disk.
struct PowerDisk::Methods {
  static PowerDisk& disk(sqlite3_vfs* vfs) { return *static_cast<PowerDisk*>(vfs->pAppData); }

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* into, int flags, int* out_flags) {
    into->pMethods = nullptr;
    PowerDisk& self = disk(vfs);
    if (self.is_off_) return SQLITE_CANTOPEN;
    std::shared_ptr<File> file = name != nullptr ? self.find(name) : std::make_shared<File>();
    if (!file) {
      if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
      file = self.files_[name] = std::make_shared<File>();
      file->is_named_on_disk = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    }
    auto* const handle = new (into) Handle();
    handle->file = std::move(file);
    handle->names_file = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    handle->file->handles.insert(handle);
    handle->pMethods = &kFileMethods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
  }

  static int remove(sqlite3_vfs* vfs, const char* name, int flush_folder) {
    PowerDisk& self = disk(vfs);
    const auto found = self.files_.find(name);
    if (self.is_off_ || found == self.files_.end()) return SQLITE_IOERR_DELETE_NOENT;
    if (flush_folder == 0 && found->second->is_named_on_disk) self.removed_[name] = found->second;
    self.files_.erase(found);
    return SQLITE_OK;
  }

  static int access(sqlite3_vfs* vfs, const char* name, int, int* is_there) {
    *is_there = !disk(vfs).is_off_ && disk(vfs).find(name) != nullptr;
    return SQLITE_OK;
  }

  static int full_path(sqlite3_vfs*, const char* name, int size, char* into) {
    sqlite3_snprintf(size, into, "%s", name);
    return SQLITE_OK;
  }

  static sqlite3_vfs* system() { return sqlite3_vfs_find(nullptr); }
  static int randomness(sqlite3_vfs*, int size, char* into) { return system()->xRandomness(system(), size, into); }
  static int sleep(sqlite3_vfs*, int) { return 0; }
  static int time(sqlite3_vfs*, double* now) { return system()->xCurrentTime(system(), now); }
  static int last_error(sqlite3_vfs*, int, char*) { return 0; }
};

PowerDisk::PowerDisk() : vfs_(std::make_unique<sqlite3_vfs>()) {
  static std::atomic<std::uint64_t> disks{0};
  name_ = "power-" + std::to_string(++disks);
  vfs_->iVersion = 1;
  vfs_->szOsFile = sizeof(Handle);
  vfs_->mxPathname = kPathMax;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = Methods::open;
  vfs_->xDelete = Methods::remove;
  vfs_->xAccess = Methods::access;
  vfs_->xFullPathname = Methods::full_path;
  vfs_->xRandomness = Methods::randomness;
  vfs_->xSleep = Methods::sleep;
  vfs_->xCurrentTime = Methods::time;
  vfs_->xGetLastError = Methods::last_error;
  if (sqlite3_vfs_register(vfs_.get(), 0) != SQLITE_OK) throw Error("cannot register a file system");
}

PowerDisk::~PowerDisk() { sqlite3_vfs_unregister(vfs_.get()); }

void PowerDisk::create(const std::string& file) {
  const auto made = files_["/" + file] = std::make_shared<File>();
  made->is_named_on_disk = true;
}

std::string PowerDisk::path(const std::string& file) const { return "file:/" + file + "?vfs=" + name_; }

std::shared_ptr<PowerDisk::File> PowerDisk::find(const std::string& file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? nullptr : found->second;
}

void PowerDisk::cut_off(Random& random) { cut_off(&random); }
void PowerDisk::cut_off() { cut_off(nullptr); }

void PowerDisk::cut_off(Random* random) {
  Files survivors;
  const auto survive = [&](const std::string& name, const File& file) {
    const auto survivor = std::make_shared<File>();
    survivor->now = survivor->on_disk = file.survivor(random);
    survivor->is_named_on_disk = true;
    survivor->flushes = file.flushes;
    survivors[name] = survivor;
  };
  for (const auto& [name, file] : removed_) {
    if (random != nullptr && random->percent(50)) survive(name, *file);
  }
  for (const auto& [name, file] : files_) {
    if (file->is_named_on_disk || (random != nullptr && random->percent(50))) survive(name, *file);
  }
  files_ = std::move(survivors);
  removed_.clear();
  is_off_ = true;
}

void PowerDisk::switch_on() { is_off_ = false; }

void PowerDisk::flush_all() {
  for (const auto& [name, file] : files_) {
    file->flush();
    file->is_named_on_disk = true;
  }
  removed_.clear();
}

std::uint64_t PowerDisk::flushes_of(const std::string& file) const {
  const auto found = find("/" + file);
  return found ? found->flushes : 0;
}

void PowerDisk::fail_flushes_of(const std::string& file, int count) {
  if (const auto found = find("/" + file)) found->flushes_to_fail = count;
}

}  // namespace colony::sim
