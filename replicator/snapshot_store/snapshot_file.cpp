#include "replicator/snapshot_store/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>
#include <vector>

namespace colony {
namespace {

constexpr int kLevel = 3;
constexpr std::uint32_t kHeaderMagic = 0x184D2A51;  // skippable frames of the zstd format
constexpr std::uint32_t kTrailerMagic = 0x184D2A52;
constexpr std::size_t kFrameHeaderBytes = 8;
constexpr std::size_t kTextBytesMax = 4096;  // of a header or trailer
constexpr std::string_view kFirstLine = "colony snapshot 1\n";

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : path_(path), file_(open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (file_ < 0) fail("cannot open");
  }
  ~File() { close(file_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::size_t read(char* out, std::size_t bytes) {
    for (;;) {
      const ssize_t got = ::read(file_, out, bytes);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail("cannot read");
    }
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(file_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) fail("cannot write");
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  void flush() {
    if (fsync(file_) != 0) fail("cannot flush");
  }
  struct stat status() {
    struct stat status {};
    if (fstat(file_, &status) != 0) fail("cannot look at");
    return status;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw DiskRefusal(std::string(what) + " " + path_ + ": " + std::strerror(errno));
  }

  std::string path_;
  int file_;
};

std::string frame(std::uint32_t magic, const std::string& text) {
  const auto bytes = static_cast<std::uint32_t>(text.size());
  std::string out(reinterpret_cast<const char*>(&magic), sizeof magic);
  out.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  return out + text;
}

std::string header_text(const SnapshotHeader& header) {
  return std::string(kFirstLine) + "cluster " + header.cluster + "\nepoch " + header.epoch + "\nposition " +
         std::to_string(header.position.value()) + "\nbytes " + std::to_string(header.bytes) + "\n";
}

SnapshotHeader parse_header(const std::string& text) {
  if (!text.starts_with(kFirstLine)) {
    if (text.starts_with("colony snapshot ")) {
      throw Error("the snapshot was written by a newer Colony: upgrade this one");
    }
    throw SnapshotDamaged("the snapshot does not begin as one");
  }
  std::istringstream lines(text.substr(kFirstLine.size()));
  SnapshotHeader header;
  std::string cluster, epoch, position, bytes;
  std::uint64_t sequence = 0;
  lines >> cluster >> header.cluster >> epoch >> header.epoch >> position >> sequence >> bytes >> header.bytes;
  if (!lines || cluster != "cluster" || epoch != "epoch" || position != "position" || bytes != "bytes") {
    throw SnapshotDamaged("the snapshot's header is damaged");
  }
  header.position = Sequence(sequence);
  if (header_text(header) != text) throw SnapshotDamaged("the snapshot's header is damaged");
  return header;
}

std::string trailer_text(std::uint64_t bytes, XXH128_hash_t hash) {
  char text[96];
  std::snprintf(text, sizeof text, "end %llu %016llx%016llx\n", static_cast<unsigned long long>(bytes),
                static_cast<unsigned long long>(hash.high64), static_cast<unsigned long long>(hash.low64));
  return text;
}

class Hash {
 public:
  Hash() : state_(XXH3_createState()) {
    if (!state_) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }
  void add(std::string_view bytes) {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
    bytes_ += bytes.size();
  }
  std::uint64_t bytes() const { return bytes_; }
  std::string trailer() const { return trailer_text(bytes_, XXH3_128bits_digest(state_.get())); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
  std::uint64_t bytes_ = 0;
};

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

void compress(ZSTD_CCtx* context, std::string_view bytes, ZSTD_EndDirective end, std::vector<char>& buffer, File& out) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (;;) {
    ZSTD_outBuffer to{buffer.data(), buffer.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context, &to, &in, end);
    if (ZSTD_isError(left)) throw Error(std::string("cannot compress: ") + ZSTD_getErrorName(left));
    out.write({buffer.data(), to.pos});
    if (end == ZSTD_e_end ? left == 0 : in.pos == in.size) return;
  }
}

}  // namespace

void write_snapshot_file(SnapshotHeader header, const std::string& from, const std::string& to,
                         const std::function<bool(std::uint64_t, std::uint64_t)>& go_on) {
  File in(from, O_RDONLY);
  const struct stat status = in.status();
  header.bytes = static_cast<std::uint64_t>(status.st_size);
  File out(to, O_WRONLY | O_CREAT | O_TRUNC, status.st_mode & 0666);
  out.write(frame(kHeaderMagic, header_text(header)));

  const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  if (!context) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setPledgedSrcSize(context.get(), header.bytes);
  std::vector<char> raw(ZSTD_CStreamInSize()), packed(ZSTD_CStreamOutSize());
  Hash hash;
  while (const std::size_t got = in.read(raw.data(), raw.size())) {
    hash.add({raw.data(), got});
    compress(context.get(), {raw.data(), got}, ZSTD_e_continue, packed, out);
    if (!go_on(hash.bytes(), header.bytes)) throw Interrupted();
  }
  compress(context.get(), {}, ZSTD_e_end, packed, out);
  out.write(frame(kTrailerMagic, hash.trailer()));
  out.flush();
}

class SnapshotUnpacker::Implementation {
 public:
  Implementation(const std::string& to, OnHeader on_header)
      : on_header_(std::move(on_header)), to_(to), context_(ZSTD_createDCtx()), raw_(ZSTD_DStreamOutSize()) {
    if (!context_) throw std::bad_alloc();
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (in_content_) {
        unpack(bytes);
      } else {
        read_text(bytes);
      }
    }
  }

  void finish() {
    if (!is_whole_) throw SnapshotDamaged("the snapshot ends too early");
    if (out_) out_->flush();
  }

 private:
  // A header or a trailer: gathered until it is whole.
  void read_text(std::string_view& bytes) {
    if (is_whole_) throw SnapshotDamaged("something follows the snapshot's end");
    const std::size_t wanted = wanted_bytes() - text_.size();
    text_.append(bytes.substr(0, wanted));
    bytes.remove_prefix(std::min(wanted, bytes.size()));
    if (text_.size() < wanted_bytes()) return;
    const std::string content = text_.substr(kFrameHeaderBytes);
    text_.clear();
    if (!header_) {
      begin(content);
    } else if (content == hash_.trailer() && hash_.bytes() == header_->bytes) {
      is_whole_ = true;
    } else {
      throw SnapshotDamaged("the snapshot's content is damaged");
    }
  }

  // As far as is known: the size stands in the first eight bytes.
  std::size_t wanted_bytes() const {
    if (text_.size() < kFrameHeaderBytes) return kFrameHeaderBytes;
    std::uint32_t magic = 0, bytes = 0;
    std::memcpy(&magic, text_.data(), sizeof magic);
    std::memcpy(&bytes, text_.data() + sizeof magic, sizeof bytes);
    if (magic != (header_ ? kTrailerMagic : kHeaderMagic) || bytes > kTextBytesMax) {
      throw SnapshotDamaged(header_ ? "the snapshot's end is damaged" : "this is no snapshot of a colony");
    }
    return kFrameHeaderBytes + bytes;
  }

  void begin(const std::string& text) {
    header_ = parse_header(text);
    on_header_(*header_);
    in_content_ = true;
    if (to_.empty()) return;
    check_space();
    out_.emplace(to_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  }

  void check_space() const {
    const std::size_t slash = to_.find_last_of('/');
    const std::string folder = slash == std::string::npos ? "." : to_.substr(0, slash + 1);
    struct statvfs disk {};
    if (statvfs(folder.c_str(), &disk) != 0) return;  // creating the file will tell why
    if (const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize; free < header_->bytes) {
      throw DiskRefusal("the snapshot needs " + std::to_string(header_->bytes >> 20) + " MiB, and the disk of " +
                        folder + " has " + std::to_string(free >> 20) + " MiB free");
    }
  }

  void unpack(std::string_view& bytes) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (in_content_) {
      ZSTD_outBuffer out{raw_.data(), raw_.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left)) {
        throw SnapshotDamaged(std::string("the snapshot's content is damaged: ") + ZSTD_getErrorName(left));
      }
      hash_.add({raw_.data(), out.pos});
      if (hash_.bytes() > header_->bytes) throw SnapshotDamaged("the snapshot's content is damaged: it is too long");
      if (out_) out_->write({raw_.data(), out.pos});
      in_content_ = left != 0;
      if (in.pos == in.size && out.pos < out.size) break;
    }
    bytes.remove_prefix(in.pos);
  }

  OnHeader on_header_;
  std::string to_;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context_;
  std::vector<char> raw_;
  std::optional<File> out_;
  std::optional<SnapshotHeader> header_;
  std::string text_;  // of the header or trailer, so far
  Hash hash_;
  bool in_content_ = false;
  bool is_whole_ = false;
};

SnapshotUnpacker::SnapshotUnpacker(const std::string& to, OnHeader on_header)
    : implementation_(std::make_unique<Implementation>(to, std::move(on_header))) {}
SnapshotUnpacker::~SnapshotUnpacker() = default;
void SnapshotUnpacker::write(std::string_view bytes) { implementation_->write(bytes); }
void SnapshotUnpacker::finish() { implementation_->finish(); }

}  // namespace colony
