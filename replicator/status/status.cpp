#include "replicator/status/status.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "replicator/log/error.h"

namespace colony {
namespace {

constexpr char kMagic[8] = {'c', 'o', 'l', 'o', 'n', 'y', '0', '1'};

// Beside the file itself, as SQLite's own are, whatever symbolic link led to it.
std::string status_path(const std::string& database) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(database.c_str(), nullptr), &std::free);
  return (resolved ? std::string(resolved.get()) : database) + "-colony";
}

template <std::size_t N>
void store_text(char (&field)[N], const std::string& text) {
  const std::size_t size = std::min(text.size(), N - 1);
  std::memcpy(field, text.data(), size);
  field[size] = '\0';
}

StatusView::Since since(std::int64_t ns) {
  if (ns == 0) return std::nullopt;
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

StatusView::Stall stall_of(const std::string& lines, std::int64_t since_ns) {
  const std::size_t loop = lines.find('\n');
  const std::size_t doing = loop == lines.npos ? lines.npos : lines.find('\n', loop + 1);
  if (doing == lines.npos) return {};
  return {lines.substr(0, loop), lines.substr(loop + 1, doing - loop - 1), lines.substr(doing + 1),
          std::chrono::steady_clock::time_point(std::chrono::nanoseconds(since_ns))};
}

}  // namespace

// A reader in another process sees a whole page or tries again: `version` is odd
// while a writer is at it.
struct Status::Page {
  char magic[8];
  std::atomic<std::uint64_t> version;
  std::uint32_t state;
  std::uint32_t padding;
  std::int64_t pid;
  std::uint64_t log_head;
  std::uint64_t ignored;
  char program[32];
  char broker[256];
  char message[1024];
  char trouble[512];
  std::uint64_t catching_up_from;
  double entries_per_s;
  std::uint64_t sent;
  double transactions_per_s;
  std::int64_t lock_wait_ns;  // since when, by CLOCK_MONOTONIC; 0: not at all
  std::int64_t behind_ns;
  std::int64_t checkpoint_blocked_ns;
  std::int64_t stalled_ns;
  char stalled[512];  // loop, what it does, what to do: a line each
  char access[2048];
  std::uint64_t untrusted;
  char key_file[1024];
  std::uint64_t uncaptured;
  std::uint64_t unwatched;
  char uncaptured_row[256];

  void begin() { version.fetch_add(1, std::memory_order_acq_rel); }
  void end() { version.fetch_add(1, std::memory_order_acq_rel); }
  void initialize() {
    std::memcpy(magic, kMagic, sizeof magic);
    pid = getpid();
    store_text(program, COLONY_VERSION);
  }
  StatusView view() const {
    StatusView view;
    view.state = static_cast<State>(state);
    view.message = std::string(message, strnlen(message, sizeof message));
    view.broker = std::string(broker, strnlen(broker, sizeof broker));
    view.access = std::string(access, strnlen(access, sizeof access));
    view.pid = pid;
    view.log_head = Sequence(log_head);
    view.ignored = ignored;
    view.key_file = std::string(key_file, strnlen(key_file, sizeof key_file));
    view.untrusted = untrusted;
    view.trouble = std::string(trouble, strnlen(trouble, sizeof trouble));
    view.uncaptured = uncaptured;
    view.uncaptured_row = std::string(uncaptured_row, strnlen(uncaptured_row, sizeof uncaptured_row));
    view.unwatched = unwatched;
    view.catching_up = {Sequence(catching_up_from), entries_per_s};
    view.sending = {sent, transactions_per_s};
    view.lock_wait = since(lock_wait_ns);
    view.behind = since(behind_ns);
    view.checkpoint_blocked = since(checkpoint_blocked_ns);
    view.stalled = stall_of(std::string(stalled, strnlen(stalled, sizeof stalled)), stalled_ns);
    view.version = std::string(program, strnlen(program, sizeof program));
    return view;
  }
};

const char* to_string(State state) {
  switch (state) {
    case State::kStopped:
      return "stopped";
    case State::kStarting:
      return "starting";
    case State::kWaitingForBroker:
      return "waiting_for_broker";
    case State::kCatchingUp:
      return "catching_up";
    case State::kRunning:
      return "running";
    case State::kHalted:
      return "halted";
  }
  return "unknown";
}

Status::Status() : page_(new Page{}) {
  page_->initialize();
  set_state(State::kStarting);
}

namespace {

// Opens and locks the file. Readers lock it for a moment too, and a sidecar that
// ends removes it: hence more than one try.
int open_locked(const std::string& path, mode_t mode) {
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; ++i) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, mode);
    if (file < 0) throw Error("cannot create " + path + ": " + std::strerror(errno));
    struct stat opened {
    }, named{};
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && fstat(file, &opened) == 0 && stat(path.c_str(), &named) == 0 &&
        opened.st_ino == named.st_ino) {
      return file;
    }
    close(file);
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
  return -1;
}

}  // namespace

std::unique_ptr<Status> Status::beside(const std::string& database) {
  const std::string path = status_path(database);
  struct stat database_stat {};
  const mode_t mode = stat(database.c_str(), &database_stat) == 0 ? database_stat.st_mode & 0666 : 0600;
  const int file = open_locked(path, mode);
  if (file < 0) {
    const std::optional<StatusView> other = of(database);
    throw Error("a sidecar already runs on " + database +
                (other ? " (process " + std::to_string(other->pid) + ")" : std::string()) +
                ": one file has one sidecar; stop that one first");
  }
  // A leftover of who had another database there.
  struct stat status_stat {};
  if (fstat(file, &status_stat) == 0 && (status_stat.st_mode & 0777 & ~mode) != 0) fchmod(file, mode);
  // With its blocks: what has no room on the disk is an error here, where writing to the
  // mapping would end the process.
  const int why = posix_fallocate(file, 0, sizeof(Page));
  if (why != 0) errno = why;
  void* const memory = why == 0 ? mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  if (memory == MAP_FAILED) {
    const std::string reason = std::strerror(errno);
    unlink(path.c_str());
    close(file);
    throw Error("cannot write " + path + ": " + reason);
  }
  auto status = std::make_unique<Status>();
  delete status->page_;
  status->page_ = static_cast<Page*>(memory);
  status->file_ = file;
  status->path_ = path;
  std::memset(memory, 0, sizeof(Page));
  status->page_->initialize();
  status->set_state(State::kStarting);
  return status;
}

Status::~Status() {
  if (file_ < 0) {
    delete page_;
    return;
  }
  unlink(path_.c_str());
  munmap(page_, sizeof(Page));
  close(file_);
}

std::optional<StatusView> Status::of(const std::string& database) {
  const int file = open(status_path(database).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::optional<StatusView> view;
  struct stat file_stat {};
  const bool is_held = flock(file, LOCK_SH | LOCK_NB) != 0;
  if (is_held && fstat(file, &file_stat) == 0 && file_stat.st_size >= static_cast<off_t>(sizeof(Page))) {
    void* const memory = mmap(nullptr, sizeof(Page), PROT_READ, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED) {
      const Page& page = *static_cast<const Page*>(memory);
      for (int tries = 0; tries < 1000 && std::memcmp(page.magic, kMagic, sizeof kMagic) == 0; ++tries) {
        const std::uint64_t before = page.version.load(std::memory_order_acquire);
        view = page.view();
        std::atomic_thread_fence(std::memory_order_acquire);
        if (before % 2 == 0 && before == page.version.load(std::memory_order_acquire)) break;
      }
      munmap(memory, sizeof(Page));
    }
  }
  close(file);
  return view;
}

void Status::set_state(State state, const std::string& message) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->state = static_cast<std::uint32_t>(state);
  store_text(page_->message, message);
  page_->end();
  changed_.notify_all();
}

void Status::await_other_state(State seen, std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return waits_ended_ || page_->state != static_cast<std::uint32_t>(seen); });
}

void Status::pause(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return waits_ended_; });
}

void Status::end_waits() {
  const std::lock_guard lock(mutex_);
  waits_ended_ = true;
  changed_.notify_all();
}

void Status::set_broker(const std::string& broker, const std::string& access) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  store_text(page_->broker, broker);
  // Half of a name is worse than none.
  store_text(page_->access, access.size() < sizeof page_->access ? access : "");
  page_->end();
}

void Status::set_key_file(const std::string& key_file) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  store_text(page_->key_file, key_file.size() < sizeof page_->key_file ? key_file : "");
  page_->end();
}

void Status::set_log_head(Sequence head) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->log_head = head.value();
  page_->end();
}

void Status::set_trouble(const std::string& trouble) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  store_text(page_->trouble, trouble);
  page_->end();
}

void Status::count_ignored() {
  const std::lock_guard lock(mutex_);
  page_->begin();
  ++page_->ignored;
  page_->end();
}

void Status::count_untrusted() {
  const std::lock_guard lock(mutex_);
  page_->begin();
  ++page_->untrusted;
  page_->end();
}

void Status::count_uncaptured(std::uint64_t rows, const std::string& row) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->uncaptured += rows;
  store_text(page_->uncaptured_row, row);
  page_->end();
}

void Status::count_unwatched() {
  const std::lock_guard lock(mutex_);
  page_->begin();
  ++page_->unwatched;
  page_->end();
}

void Status::set_catching_up(const CatchingUp& catching_up) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->catching_up_from = catching_up.from.value();
  page_->entries_per_s = catching_up.entries_per_s;
  page_->end();
}

void Status::set_sending(const Sending& sending) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->sent = sending.sent;
  page_->transactions_per_s = sending.transactions_per_s;
  page_->end();
}

void Status::set_since(std::int64_t Page::*field, StatusView::Since since) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->*field = since ? std::chrono::nanoseconds(since->time_since_epoch()).count() : 0;
  page_->end();
}

void Status::set_lock_wait(StatusView::Since since) { set_since(&Page::lock_wait_ns, since); }
void Status::set_behind(StatusView::Since since) { set_since(&Page::behind_ns, since); }
void Status::set_checkpoint_blocked(StatusView::Since since) { set_since(&Page::checkpoint_blocked_ns, since); }

void Status::set_stalled(const StatusView::Stall& stall) {
  const std::lock_guard lock(mutex_);
  page_->begin();
  page_->stalled_ns = std::chrono::nanoseconds(stall.since.time_since_epoch()).count();
  store_text(page_->stalled, stall.loop.empty() ? "" : stall.loop + "\n" + stall.doing + "\n" + stall.advice);
  page_->end();
}

void Status::set_held_by(const std::string& token) {
  const std::lock_guard lock(mutex_);
  held_by_ = token;
}

std::string Status::held_by() const {
  const std::lock_guard lock(mutex_);
  return held_by_;
}

StatusView Status::view() const {
  const std::lock_guard lock(mutex_);
  return page_->view();
}

}  // namespace colony
