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
  CLI::App* const command = app.add_subcommand("keygen", "Make a key for a node");
  command->add_option("FILE", arguments->path, "The private key's file: to be written, or with --public to be read")
      ->required();
  CLI::Option* const nkey =
      command->add_flag("--nkey", arguments->is_nkey, "Make an nkey, with which the node logs in to the broker");
  command
      ->add_flag("--public", arguments->is_public,
                 "Make no key: print the public key of the one in FILE; not with --nkey")
      ->excludes(nkey);
  command->footer(
      "Makes an Ed25519 key, writes the private key to FILE, which only you can read, and prints the public key. Run "
      "it on the node's own machine, and never copy the file elsewhere.\n"
      "\n"
      "  colony run --key FILE         signs everything that the node sends\n"
      "  colony trust DB NODE=PUBLIC   tells all nodes the public key\n"
      "  colony run --nkey FILE        logs in with an nkey; the broker's configuration needs its public key (U...)\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.\n"
      "\n"
      "  colony keygen /etc/colony/a.key");
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
