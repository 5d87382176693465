#include "replicator/file/file_health.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

namespace colony {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::milliseconds kLookAtUnwellEvery{200};

// The process stays, and what it has open goes: what SQLite does when it closes a file
// would harm one that is not what it takes it for.
[[noreturn]] void begin_anew() {
  spdlog::warn("no program has the lost files open any more; going on");
  std::ifstream command_line("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(command_line, word, '\0');) words.push_back(word);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  spdlog::shutdown();
  execv("/proc/self/exe", arguments.data());
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

FileHealth::FileHealth(boost::asio::io_context& loop, const std::string& database,
                       std::function<void(const std::string&)> on_trouble)
    : keeper_(database), look_again_(loop), on_trouble_(std::move(on_trouble)) {}

// Nothing tells of a folder that was renamed.
void FileHealth::look() {
  using Finding = FileKeeper::Finding;
  const FileKeeper::Report found = keeper_.look();
  must_not_close_ = found.finding == Finding::kReplaced || found.finding == Finding::kLogLost;
  set_trouble(found.message);
  if (found.finding == Finding::kLogLost && keeper_.can_begin_anew()) begin_anew();
  look_again_.expires_after(found.finding == Finding::kWell ? std::chrono::milliseconds(kLookEvery)
                                                            : kLookAtUnwellEvery);
  look_again_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

void FileHealth::set_trouble(const std::string& trouble) {
  {
    const std::lock_guard lock(mutex_);
    if (trouble == trouble_) return;
    trouble_ = trouble;
  }
  is_unwell_ = !trouble.empty();
  if (is_unwell_) on_trouble_(trouble);
}

std::string FileHealth::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

}  // namespace colony
