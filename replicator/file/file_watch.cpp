#include "replicator/file/file_watch.h"

#include <sys/inotify.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "replicator/log/error.h"

namespace colony {
namespace {

// A file that is deleted while somebody has it open only loses a link: IN_ATTRIB.
constexpr std::uint32_t kGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

constexpr std::chrono::milliseconds kPause{1};

}  // namespace

FileWatch::FileWatch(boost::asio::io_context& loop, const std::string& database, Checkpoints checkpoints,
                     std::function<void()> on_commit, std::function<void()> on_replaced)
    : inotify_(loop),
      pause_(loop),
      database_(database),
      on_commit_(std::move(on_commit)),
      on_replaced_(std::move(on_replaced)) {
  const int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify < 0) {
    throw Error(std::string("cannot watch files: ") + std::strerror(errno) +
                "; raise fs.inotify.max_user_instances if it is used up");
  }
  inotify_.assign(inotify);
  wal_watch_ = inotify_add_watch(inotify, (database + "-wal").c_str(), IN_MODIFY | kGone);
  const std::uint32_t checkpoint = checkpoints == Checkpoints::kCount ? IN_MODIFY : 0;
  database_watch_ = inotify_add_watch(inotify, database.c_str(), kGone | checkpoint);
  const int index_watch = inotify_add_watch(inotify, (database + "-shm").c_str(), kGone);
  if (wal_watch_ < 0 || database_watch_ < 0 || index_watch < 0) {
    throw Error("cannot watch " + database + " and its write-ahead log: " + std::strerror(errno) +
                "; raise fs.inotify.max_user_watches if it is used up");
  }
  read();
}

void FileWatch::read() {
  inotify_.async_read_some(boost::asio::buffer(events_),
                           [this](const boost::system::error_code& error, std::size_t bytes) {
                             if (error) return;  // the loop ends
                             handle(bytes) ? pause() : read();
                           });
}

// The kernel keeps what comes meanwhile, and makes one of events that are the same.
void FileWatch::pause() {
  pause_.expires_after(kPause);
  pause_.async_wait([this](const boost::system::error_code& error) {
    if (!error) read();
  });
}

// Whether there was a commit.
bool FileWatch::handle(std::size_t bytes) {
  bool commit = false, replaced = false;
  for (std::size_t at = 0; at + sizeof(inotify_event) <= bytes;) {
    inotify_event event;
    std::memcpy(&event, events_.data() + at, sizeof event);
    at += sizeof event + event.len;
    const bool is_commit = (event.wd == wal_watch_ || event.wd == database_watch_) && (event.mask & IN_MODIFY) != 0;
    commit |= is_commit || (event.mask & IN_Q_OVERFLOW) != 0;
    replaced |= !is_commit;
  }
  if (commit) on_commit_();
  if (replaced) on_replaced_();
  return commit;
}

}  // namespace colony
