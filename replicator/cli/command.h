// The commands of the `colony` program, one file each.
//
// Each add_...() declares its flags on the app and sets the exit code when the
// command has run: 0 done, 1 the answer is no. What cannot be done is thrown as
// Error, and is 2.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "replicator/broker/broker_settings.h"
#include "replicator/log/signing.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"

namespace colony::cli {

inline constexpr int kDone = 0;
inline constexpr int kNo = 1;
inline constexpr int kFailed = 2;

inline constexpr const char* kDefaultBroker = "nats://127.0.0.1:4222";

void add_init(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_status(CLI::App& app, int& exit_code);
void add_wait(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_repair(CLI::App& app, int& exit_code);
void add_conflicts(CLI::App& app, int& exit_code);
void add_snapshot(CLI::App& app, int& exit_code);
void add_snapshots(CLI::App& app, int& exit_code);
void add_restore(CLI::App& app, int& exit_code);
void add_nodes(CLI::App& app, int& exit_code);
void add_leave(CLI::App& app, int& exit_code);
void add_recover(CLI::App& app, int& exit_code);
void add_detach(CLI::App& app, int& exit_code);
void add_trust(CLI::App& app, int& exit_code);
// `words` are those of take_command_words(), and must outlive the parsing.
void add_migrate(CLI::App& app, const std::vector<std::string>& words, int& exit_code);

// --capture, or $COLONY_CAPTURE. `by_default` is for people.
void add_capture(CLI::App& command, std::optional<CaptureMode>& mode, const std::string& help,
                 const std::string& by_default);

// What comes after `--` on the command line of `colony migrate`, and shortens that by it.
std::vector<std::string> take_command_words(int& argc, char** argv);
void add_keygen(CLI::App& app, int& exit_code);

// The `DB` argument.
void add_database(CLI::App& command, std::string& path);

// Throws Error if a URL among the words has a password or a token in it: whoever
// lists processes sees them.
void refuse_secrets_on_the_command_line(int argc, char** argv);

// What says who the broker is and who we are to it: --tls-ca, --creds and so on.
void add_access(CLI::App& command, BrokerSettings& broker);

// --nats and add_access(). No URL when none is given: see broker_of().
void add_broker(CLI::App& command, BrokerSettings& broker);

// With the secrets that only the environment has, and checked: throws Error.
BrokerSettings complete(BrokerSettings broker);

// Which broker a command asks, and how: what was given, or what the running sidecar
// of `database` uses (but for a password in a URL or the environment, which it tells
// nobody), or the default. Throws Error as complete() does.
BrokerSettings broker_of(const std::string& database, const BrokerSettings& given);

// --key, or $COLONY_KEY.
void add_key(CLI::App& command, std::string& key_file);

// The key of `database`'s node: from that file, or the one that its running sidecar
// signs with. Throws Error if it cannot be read.
std::optional<SigningKey> key_of(const std::string& database, const std::string& key_file);

// The same, for one that is to send something; throws Error if it would count for
// nothing.
std::optional<SigningKey> trusted_key_of(NodeFile& file, const std::string& database, const std::string& key_file);

// A point in time that a --timeout of some seconds comes to.
class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000))) {}
  bool over() const { return std::chrono::steady_clock::now() >= end_; }
  std::chrono::milliseconds left() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
    return std::max(left, std::chrono::milliseconds(0));
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace colony::cli
