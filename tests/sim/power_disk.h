// A disk in memory that loses power: an SQLite VFS that keeps what was written and what
// was flushed (xSync) apart. Whatever was not flushed when the power is cut may be on
// the disk or not, whole or torn, in any order, and so may the names of files whose
// folder was not flushed. It knows the write-ahead log and its locks, for connections
// of one process.
//
// Threads: one at a time. It must outlive the connections.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/sim/random.h"

struct sqlite3_vfs;

namespace colony::sim {

class PowerDisk {
 public:
  struct File;

  PowerDisk();
  ~PowerDisk();
  PowerDisk(const PowerDisk&) = delete;
  PowerDisk& operator=(const PowerDisk&) = delete;

  // An empty file, for who opens only what is there.
  void create(const std::string& file);
  // What opens that file on it.
  std::string path(const std::string& file) const;

  // The power is gone: from here on open connections work on what nobody will see
  // again, and are to be closed. Then comes switch_on().
  void cut_off(Random& random);
  // The same, and nothing survives that was not flushed.
  void cut_off();
  void switch_on();

  // Everything that was written so far is on the disk.
  void flush_all();

  // How often the file was flushed.
  std::uint64_t flushes_of(const std::string& file) const;
  // The next flushes of the file fail.
  void fail_flushes_of(const std::string& file, int count);

 private:
  struct Methods;
  using Files = std::map<std::string, std::shared_ptr<File>>;

  std::shared_ptr<File> find(const std::string& file) const;
  void cut_off(Random* random);

  std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  Files files_;
  Files removed_;  // and still named on the disk
  bool is_off_ = false;
};

}  // namespace colony::sim
