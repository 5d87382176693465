// Keeps an eye on the sidecar's file: looks at it every second, and five times a second
// while it is not well (file_keeper.h), and begins the process anew when that is what
// helps.
//
// Threads: it runs on an Asio loop, the main thread's; what others may call says so.
// Owned, like the keeper in it, before everything that has the database open.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <mutex>
#include <string>

#include "replicator/file/file_keeper.h"

namespace colony {

class FileHealth {
 public:
  // `on_trouble` is called when the file has become unwell, or is so in another way.
  // Throws Error.
  FileHealth(boost::asio::io_context& loop, const std::string& database,
             std::function<void(const std::string& trouble)> on_trouble);

  // Looks now, and from then on. To be called, too, when something has happened to it.
  void look();

  // Any thread. Nobody is to write to it or wait for it.
  bool is_unwell() const { return is_unwell_; }
  // Any thread. What has happened and what to do; empty if it is well.
  std::string trouble() const;

  // Whether closing it would harm what is there now, so that the process must end
  // without.
  bool must_not_close() const { return must_not_close_; }

 private:
  void set_trouble(const std::string& trouble);

  FileKeeper keeper_;
  boost::asio::steady_timer look_again_;
  std::function<void(const std::string&)> on_trouble_;
  std::atomic<bool> is_unwell_{false};
  bool must_not_close_ = false;
  mutable std::mutex mutex_;
  std::string trouble_;  // guarded by mutex_
};

}  // namespace colony
