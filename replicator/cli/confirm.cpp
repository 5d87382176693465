#include "replicator/cli/confirm.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "replicator/log/error.h"
#include "replicator/status/status.h"

namespace colony::cli {
namespace {

constexpr std::size_t kNamesShownMax = 5;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kNamesShownMax; ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > kNamesShownMax) text += fmt::format(" and {} more", names.size() - kNamesShownMax);
  return text;
}

bool says_yes() {
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes";
}

}  // namespace

// Who has the extension loaded can go on writing, and Colony's own processes always can.
Confirmation::Confirmation(const std::string& database, bool yes)
    : name_(std::filesystem::path(database).filename().string()), yes_(yes) {
  FileUsers users = users_of(database);
  hidden_ = users.hidden;
  const auto sidecar = Status::of(database);
  for (FileUser& user : users.processes) {
    const bool is_sidecar = sidecar && user.process == sidecar->pid;
    if (!user.has_extension && !user.is_colony && !is_sidecar) writers_.push_back(std::move(user));
  }
}

std::string Confirmation::whom_it_concerns(const std::vector<std::string>& tables) const {
  std::vector<std::string> names;
  for (const FileUser& user : writers_) names.push_back(to_string(user));
  const bool one = writers_.size() == 1;
  return fmt::format("{} {} {} open: {} next writes to {} will be refused until {} colony.so", joined(names),
                     one ? "has" : "have", name_, one ? "its" : "their", joined(tables),
                     one ? "it loads" : "they load");
}

std::string Confirmation::who_is_hidden() const {
  return fmt::format("{} of other users could not be looked at, and may have {} open too",
                     hidden_ == 1 ? "a process" : std::to_string(hidden_) + " processes", name_);
}

void Confirmation::ask(const std::vector<std::string>& tables) const {
  if (tables.empty()) return;
  if (writers_.empty()) {
    if (hidden_ > 0) fmt::print(stderr, "note: {}\n", who_is_hidden());
    return;
  }
  const std::string what = whom_it_concerns(tables) + (hidden_ > 0 ? " (" + who_is_hidden() + ")" : "");
  if (!yes_ && isatty(STDIN_FILENO) == 0) {
    throw Error(what + ". Nothing was changed: let " + (writers_.size() == 1 ? "it" : "them") +
                " load it first, or give --yes");
  }
  fmt::print(stderr, "{}\n", what);
  if (yes_) return;
  fmt::print(stderr, "Go on? [y/N] ");
  std::fflush(stderr);
  if (!says_yes()) throw Declined();
}

}  // namespace colony::cli
