#include <spdlog/fmt/fmt.h>

#include <memory>

#include "replicator/cli/command.h"
#include "replicator/log/nkey.h"
#include "replicator/log/secret_file.h"
#include "replicator/log/signing.h"

namespace colony::cli {
namespace {

void make_key(const std::string& path, bool is_nkey) {
  if (is_nkey) {
    const UserNkey key = make_user_nkey();
    write_secret(path, key.seed + "\n");
    fmt::print("{}\n", key.public_key);
    return;
  }
  const SigningKey key = SigningKey::generate();
  write_secret(path, key.pem());
  fmt::print("{}\n", key.public_key().text());
}

}  // namespace

void add_keygen(CLI::App& app, int& exit_code) {
  struct Arguments {
    std::string path;
    bool is_nkey = false, is_public = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("keygen", "Make a node's key");
  command->add_option("FILE", arguments->path, "The new file, for the private key")->required();
  CLI::Option* const nkey =
      command->add_flag("--nkey", arguments->is_nkey, "Make an nkey, for logging in to the broker");
  command->add_flag("--public", arguments->is_public, "Make no key: print the public key of the one in FILE")
      ->excludes(nkey);
  command->footer(
      "Writes an Ed25519 key that only you can read, and prints its public key.\n\n"
      "colony run --key FILE     signs all that the node sends with it\n"
      "colony trust DB NODE=PUB  tells all nodes the public key: see colony trust --help\n"
      "colony run --nkey FILE    logs in with one that was made with --nkey, and whose public key (U...) the\n"
      "                          broker's configuration has\n\n"
      "Make it on the node's machine, and let it never leave that.");
  command->callback([arguments, &exit_code] {
    if (arguments->is_public) {
      fmt::print("{}\n", SigningKey::from_file(arguments->path).public_key().text());
    } else {
      make_key(arguments->path, arguments->is_nkey);
    }
    exit_code = kDone;
  });
}

}  // namespace colony::cli
