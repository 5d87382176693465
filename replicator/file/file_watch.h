// Watches a database file through inotify: commits show in its write-ahead log.
// It costs nothing while nothing happens, and nothing has to be configured. Of commits that
// come one right after the other it tells once a millisecond at most.
//
// Runs on an Asio loop; callbacks come on its thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

namespace colony {

class FileWatch {
 public:
  // Whether a checkpoint, which writes to the database, counts as a commit.
  enum class Checkpoints { kIgnored, kCount };
  // The write-ahead log must be there: keep a connection open. Throws Error.
  FileWatch(boost::asio::io_context& loop, const std::string& database, Checkpoints checkpoints,
            std::function<void()> on_commit, std::function<void()> on_replaced);

 private:
  void read();
  void pause();
  bool handle(std::size_t bytes);

  boost::asio::posix::stream_descriptor inotify_;
  boost::asio::steady_timer pause_;
  std::string database_;
  int wal_watch_ = -1, database_watch_ = -1;
  std::function<void()> on_commit_;
  std::function<void()> on_replaced_;
  alignas(8) std::array<char, 4096> events_{};
};

}  // namespace colony
