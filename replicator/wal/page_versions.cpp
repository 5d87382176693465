#include "replicator/wal/page_versions.h"

#include <utility>

namespace colony {
namespace {

constexpr std::size_t kCacheBytesMax = 8u << 20;

}  // namespace

PageVersions::PageVersions(const WalLog& log, const WalEnd& end)
    : log_(log), salt_(end.salt), database_pages_(log.file_pages()) {
  WrittenPages written;
  if (rest(end.frame, written)) advance(written);
}

// After ROLLBACK TO, some versions of SQLite leave frames of a transaction that it commits without
// salt and checksum.
void PageVersions::check(const WalFrame& header, FrameNumber frame) const {
  const bool is_bare = header.salt == WalSalt{} && header.checksum == std::array<std::uint32_t, 2>{};
  if ((header.salt == salt_ || is_bare) && header.page != 0) return;
  throw WalLost("frame " + std::to_string(frame) + " of the write-ahead log is of another one");
}

// A transaction writes each page that it adds, or one that lists it among the free ones.
void PageVersions::check_size(const WrittenPages& written) const {
  const std::uint64_t added_max = written.frames.size() * std::uint64_t{format().usable_bytes() / 4} + 1;
  if (written.database_pages <= database_pages_ + added_max) return;
  throw WalLost("the write-ahead log tells of more pages than it has");
}

bool PageVersions::next(FrameNumber end, WrittenPages& written) const {
  written.frames.clear();
  for (FrameNumber frame = frame_ + 1; frame <= end; ++frame) {
    WalFrame header;
    if (!log_.read_frame(frame, header)) throw WalLost("the write-ahead log is shorter than its index tells");
    check(header, frame);
    written.frames[header.page] = frame;
    if (header.database_pages == 0) continue;
    written.database_pages = header.database_pages;
    written.last = frame;
    check_size(written);
    return true;
  }
  return false;
}

bool PageVersions::rest(FrameNumber end, WrittenPages& written) const {
  written.frames.clear();
  for (FrameNumber frame = frame_ + 1; frame <= end; ++frame) {
    WalFrame header;
    if (!log_.read_frame(frame, header)) throw WalLost("the write-ahead log is shorter than its index tells");
    check(header, frame);
    written.frames[header.page] = frame;
    if (header.database_pages != 0) written.database_pages = header.database_pages;
    written.last = frame;
  }
  check_size(written);
  return !written.frames.empty();
}

FrameNumber PageVersions::frame_of(PageNumber page) const {
  const auto found = last_.find(page);
  return found == last_.end() ? 0 : found->second;
}

PageImage PageVersions::image(PageNumber page, FrameNumber frame) {
  if (page == 0) throw WalLost("a page leads to none: the database may be damaged");
  if (cache_.size() * format().page_bytes > kCacheBytesMax) cache_.clear();
  PageImage& cached = cache_[std::uint64_t{page} << 32 | frame];
  if (cached) return cached;
  auto read = std::make_shared<std::string>();
  if (frame == 0) {
    const std::uint64_t bytes = format().page_bytes;
    log_.read_database((page - std::uint64_t{1}) * bytes, bytes, *read);
  } else if (!log_.read_frame_page(frame, *read)) {
    throw WalLost("the write-ahead log is shorter than its index tells");
  }
  return cached = std::move(read);
}

PageImage PageVersions::before(PageNumber page) { return image(page, frame_of(page)); }

PageImage PageVersions::after(PageNumber page, const WrittenPages& written) {
  const auto found = written.frames.find(page);
  return image(page, found == written.frames.end() ? frame_of(page) : found->second);
}

PageNumber PageVersions::first_number(PageNumber page, const WrittenPages* written) {
  return big_endian_32((written == nullptr ? before(page) : after(page, *written))->data());
}

// Images of pages that were written are not asked for again as they were before.
void PageVersions::advance(const WrittenPages& written) {
  for (const auto& [page, frame] : written.frames) {
    FrameNumber& last = last_[page];
    cache_.erase(std::uint64_t{page} << 32 | last);
    last = frame;
  }
  frame_ = written.last;
  if (written.database_pages != 0) database_pages_ = written.database_pages;
}

void PageVersions::begin_anew(const WalSalt& salt) {
  salt_ = salt;
  frame_ = 0;
  last_.clear();
  cache_.clear();
}

}  // namespace colony
