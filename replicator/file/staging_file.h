// A file that is being made: it gets its final name when it is complete, and is removed with
// this object otherwise. What a killed process leaves is removed when the path is used again.
//
// Threads: one at a time. Errors: Error.
#pragma once

#include <sys/types.h>

#include <string>

namespace colony {

class StagingFile {
 public:
  // Makes it, empty. `mode` as for open().
  StagingFile(std::string path, mode_t mode);
  ~StagingFile();
  StagingFile(const StagingFile&) = delete;
  StagingFile& operator=(const StagingFile&) = delete;

  const std::string& path() const { return path_; }

  // Gives it its name. Throws if that is taken meanwhile.
  void finish_as(const std::string& name) const;

 private:
  void remove() const;

  std::string path_;
};

// Removes what processes that are no more have left beside the database: files that are
// called after it, `suffix` and the process's number.
void remove_staging_files(const std::string& database, const std::string& suffix);

// The permissions of the file at `path`; private if there is none.
mode_t mode_of(const std::string& path);

}  // namespace colony
