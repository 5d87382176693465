// The pages of a database as they were at two states of its write-ahead log: before a
// transaction and after it.
//
// A page's image before is that of its last frame up to then, or the one in the database if
// it has none. The latter holds only while a read transaction of that state, or of one
// before, keeps later frames from being written back.
//
// Threads: one. Errors: SqliteError; WalLost if the log is not what it must be.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "replicator/wal/wal_log.h"

namespace colony {

// What was to be read from the log is not there any more.
class WalLost : public Error {
 public:
  using Error::Error;
};

// What one or more transactions have written: the last frame of each page.
struct WrittenPages {
  std::unordered_map<PageNumber, FrameNumber> frames;
  std::uint32_t database_pages = 0;  // after them
  FrameNumber last = 0;

  bool contains(PageNumber page) const { return frames.contains(page); }
};

using PageImage = std::shared_ptr<const std::string>;

class PageVersions {
 public:
  // `log` must outlive it. The state is that at `end`, all of whose frames are read.
  PageVersions(const WalLog& log, const WalEnd& end);

  const PageFormat& format() const { return log_.format(); }
  FrameNumber frame() const { return frame_; }
  const WalSalt& salt() const { return salt_; }

  // The transaction that follows the state, if the log up to `end` has one.
  bool next(FrameNumber end, WrittenPages& written) const;
  // All that follow it up to there, as one. False if there are none.
  bool rest(FrameNumber end, WrittenPages& written) const;

  // How many the database has at most, in the state. All pages of its trees are among them, or
  // among those of `written` after it.
  PageNumber database_pages() const { return database_pages_; }

  // The image before, or after `written`.
  PageImage before(PageNumber page);
  PageImage after(PageNumber page, const WrittenPages& written);
  // The number at the beginning of a page, which of an overflow page is the next one's.
  PageNumber first_number(PageNumber page, const WrittenPages* written);

  // The state is the one after `written` from now on.
  void advance(const WrittenPages& written);
  // The log was begun anew, with all that the state has in the database.
  void begin_anew(const WalSalt& salt);

 private:
  PageImage image(PageNumber page, FrameNumber frame);
  void check_size(const WrittenPages& written) const;
  FrameNumber frame_of(PageNumber page) const;
  void check(const WalFrame& header, FrameNumber frame) const;

  const WalLog& log_;
  WalSalt salt_;
  FrameNumber frame_ = 0;
  PageNumber database_pages_;
  std::unordered_map<PageNumber, FrameNumber> last_;  // up to frame_
  // Images that may be asked for again, by page and frame; all go when they are many.
  std::unordered_map<std::uint64_t, PageImage> cache_;
};

}  // namespace colony
