#include "replicator/snapshot_store/directory_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "replicator/log/error.h"
#include "replicator/snapshot_store/local_file.h"
#include "replicator/snapshot_store/object_name.h"

namespace colony {

namespace {

constexpr std::size_t kSliceBytes = 256u << 10;

void sync_folder(const std::string& folder) {
  LocalFile file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder);
  if (file.descriptor() < 0) throw_system_error(folder + " cannot be opened", errno);
  // Some network file systems have nothing to sync in a folder and say so.
  if (fsync(file.descriptor()) != 0 && errno != EINVAL)
    throw_system_error(folder + " cannot be brought to disk", errno);
}

// With those above it; each for its owner only, and on disk.
void make_folder(const std::string& folder) {
  if (folder.empty() || folder == "/" || access(folder.c_str(), F_OK) == 0) return;
  const std::string above = folder.substr(0, folder.rfind('/'));
  make_folder(above);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) throw_system_error(folder + " cannot be made", errno);
  sync_folder(above.empty() ? "/" : above);
}

// False when a living upload has it, or the file system knows no locks.
bool lock(const LocalFile& file) { return flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0; }

// Removes the file unless it has come to its end.
class Temporary {
 public:
  Temporary(std::string path, mode_t mode) : path_(std::move(path)), file_(make(path_, mode)) {
    // The mode is exact: neither umask nor a default list of the folder counts.
    if (fchmod(file_.descriptor(), mode) != 0 && errno != EPERM && errno != ENOTSUP) {
      throw_system_error(path_ + " cannot be protected", errno);
    }
    // A clean-up that came before the lock would have removed it.
    lock(file_);
    struct stat status;
    if (fstat(file_.descriptor(), &status) != 0 || status.st_nlink == 0) {
      throw LogUnavailable(path_ + " was removed by another upload's clean-up: try again");
    }
  }
  ~Temporary() {
    if (!kept_) unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const LocalFile& file() const { return file_; }

  void rename_to(const std::string& path) {
    if (rename(path_.c_str(), path.c_str()) != 0) throw_system_error(path + " cannot be put in place", errno);
    kept_ = true;
  }

 private:
  static LocalFile make(const std::string& path, mode_t mode) {
    LocalFile file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0700), path);
    if (file.descriptor() < 0) throw_system_error(path + " cannot be made", errno);
    return file;
  }

  const std::string path_;
  const LocalFile file_;
  bool kept_ = false;
};

}  // namespace

DirectoryStore::DirectoryStore(std::string folder) : folder_(std::move(folder)) {
  COLONY_ASSERT(folder_.starts_with('/'));
}

std::vector<StoredObject> DirectoryStore::list() {
  std::vector<StoredObject> objects;
  std::error_code error;
  std::filesystem::directory_iterator files(folder_, error);
  if (error == std::errc::no_such_file_or_directory) return objects;
  if (error) throw_system_error(folder_ + " cannot be listed", error.value());
  while (files != std::filesystem::directory_iterator()) {
    const std::string name = files->path().filename().string();
    std::error_code gone;  // between listing and looking
    const std::uint64_t bytes = is_object_name(name) && files->is_regular_file(gone) ? files->file_size(gone) : 0;
    if (is_object_name(name) && files->is_regular_file(gone) && !gone) objects.push_back({name, bytes});
    files.increment(error);
    if (error) throw_system_error(folder_ + " cannot be listed", error.value());
  }
  return objects;
}

void DirectoryStore::put(const std::string& name, const std::string& path, const GoOn& go_on) {
  require_object_name(name);
  const LocalFile source = LocalFile::open_to_read(path);
  make_folder(folder_);
  remove_dead_uploads();

  const std::uint64_t total = source.bytes();
  Temporary temporary(path_of(temporary_name(name)), source.mode());
  std::string slice(kSliceBytes, '\0');
  std::uint64_t done = 0;
  if (!go_on(done, total)) throw Interrupted();
  while (const std::size_t bytes = source.read(slice.data(), slice.size())) {
    temporary.file().write({slice.data(), bytes});
    done += bytes;
    if (!go_on(done, total)) throw Interrupted();
  }
  temporary.file().sync();
  temporary.rename_to(path_of(name));
  sync_folder(folder_);
}

void DirectoryStore::remove_dead_uploads() {
  std::error_code error;
  for (std::filesystem::directory_iterator files(folder_, error), end; !error && files != end; files.increment(error)) {
    const std::string path = files->path().string();
    const std::string name = files->path().filename().string();
    if (!temporary_since(name)) continue;
    const LocalFile file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW), path);
    if ((file.descriptor() >= 0 && lock(file)) || is_dead_temporary(name)) unlink(path.c_str());
  }
}

void DirectoryStore::get(const std::string& name, const Sink& sink, const GoOn& go_on) {
  require_object_name(name);
  const LocalFile file = LocalFile::open_to_read(path_of(name));
  const std::uint64_t total = file.bytes();
  std::string slice(kSliceBytes, '\0');
  std::uint64_t done = 0;
  if (!go_on(done, total)) throw Interrupted();
  while (const std::size_t bytes = file.read(slice.data(), slice.size())) {
    sink({slice.data(), bytes});
    done += bytes;
    if (!go_on(done, total)) throw Interrupted();
  }
}

void DirectoryStore::remove(const std::string& name) {
  require_object_name(name);
  if (unlink(path_of(name).c_str()) == 0) {
    sync_folder(folder_);
  } else if (errno != ENOENT) {
    throw_system_error(path_of(name) + " cannot be removed", errno);
  }
}

}  // namespace colony
