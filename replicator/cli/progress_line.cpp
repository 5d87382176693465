#include "replicator/cli/progress_line.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

namespace colony::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kQuiet = 500ms;  // what is done by then needs no progress
constexpr auto kOnTerminal = 200ms;
constexpr auto kElsewhere = 10s;

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{:.1f}", static_cast<double>(bytes) / (1 << 20)); }

}  // namespace

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), is_terminal_(isatty(STDERR_FILENO) != 0), begin_(Clock::now()), shown_(begin_) {}

ProgressLine::~ProgressLine() {
  if (is_terminal_ && shown_ != begin_) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::show(const std::string& text, bool is_news) {
  const Clock::time_point now = Clock::now();
  const bool is_due = now - shown_ >= (is_terminal_ ? std::chrono::milliseconds(kOnTerminal) : kElsewhere);
  if (now - begin_ < kQuiet || !(is_due || is_news)) return;
  shown_ = now;
  fmt::print(stderr, "{}{}: {}{}", is_terminal_ ? "\r\033[K" : "", what_, text, is_terminal_ ? "" : "\n");
  std::fflush(stderr);
}

void ProgressLine::bytes(std::uint64_t done, std::uint64_t total) {
  if (done < former_ || moved_ == Clock::time_point()) moved_ = Clock::now();
  former_ = done;
  waiting_.clear();
  const double seconds = std::chrono::duration<double>(Clock::now() - moved_).count();
  const double rate = seconds > 0.2 ? static_cast<double>(done) / seconds : 0;
  std::string text = mebibytes(done) + (total > 0 ? " of " + mebibytes(total) : "") + " MiB";
  if (total > 0) text += fmt::format(" ({} %)", done * 100 / total);
  if (rate > 0) text += fmt::format(", {} MiB/s", mebibytes(static_cast<std::uint64_t>(rate)));
  if (rate > 0 && total > done)
    text += fmt::format(", about {:.0f} s left", static_cast<double>(total - done) / rate + 0.5);
  show(text, false);
}

void ProgressLine::waiting_for(const std::string& what) {
  const bool is_news = what != waiting_ && Clock::now() - begin_ >= kQuiet;
  if (is_news) waiting_ = what;
  show("waiting for " + what, is_news);
}

}  // namespace colony::cli
