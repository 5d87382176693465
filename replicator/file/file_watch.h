// Watches a database file through inotify: commits show in its write-ahead log.
// It costs nothing while nothing happens, and nothing has to be configured.
//
// Runs on an Asio loop; callbacks come on its thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>

namespace colony {

class FileWatch {
 public:
  // The write-ahead log must be there: keep a connection open. Throws Error.
  FileWatch(boost::asio::io_context& loop, const std::string& database, std::function<void()> on_commit,
            std::function<void()> on_replaced);

 private:
  void read();
  void handle(std::size_t bytes);

  boost::asio::posix::stream_descriptor inotify_;
  std::string database_;
  int wal_watch_ = -1;
  std::function<void()> on_commit_;
  std::function<void()> on_replaced_;
  alignas(8) std::array<char, 4096> events_{};
};

}  // namespace colony
