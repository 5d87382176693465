// One line on stderr that shows how far a long command has come: rewritten in
// place on a terminal, elsewhere a line now and then. Quiet when it takes no time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace colony::cli {

class ProgressLine {
 public:
  // `what`: "joining colony shop".
  explicit ProgressLine(std::string what);
  // Leaves an empty line behind on a terminal.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `total` 0: not known.
  void bytes(std::uint64_t done, std::uint64_t total);
  void waiting_for(const std::string& what);

 private:
  using Clock = std::chrono::steady_clock;

  void show(const std::string& text, bool is_news);

  const std::string what_;
  const bool is_terminal_;
  const Clock::time_point begin_;
  Clock::time_point shown_;
  Clock::time_point moved_;  // when the first bytes of this run came
  std::uint64_t former_ = 0;
  std::string waiting_;
};

}  // namespace colony::cli
