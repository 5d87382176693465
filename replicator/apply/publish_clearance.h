// Whether what this node has in its outbox may be sent, by what the log says: the name is
// its own, its key is trusted, it has met the colony, and the file has absorbed an end of
// the log that was looked up after the publisher asked.
//
// Threads: the applier's. Errors: Halt if the name is not this node's any more, or the log
// was cut; LogUnavailable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "replicator/apply/applier_observer.h"
#include "replicator/apply/folded_file.h"
#include "replicator/apply/log_validation.h"
#include "replicator/apply/own_name.h"

namespace colony {

class PublishClearance {
 public:
  struct Settings {
    Home home;                     // where the file lives, as its own hello tells
    std::optional<PublicKey> key;  // to what its publisher signs with; nothing: it does not
    bool asks_for_base = false;    // see Applier::Options
  };

  // All must outlive it.
  PublishClearance(FoldedFile& file, Log& log, LogValidation& validation, ApplierObserver& observer, Settings settings);

  // What has happened to the applier. Tells the observer.
  void file_loaded();
  void log_met(const LogInfo& info);
  void absorbed(Absorbed absorbed);
  void failed() { is_running_ = false; }

  // Answers the publisher's question, if it has one and the file has come far enough.
  // `all_absorbed`: nothing that was fetched waits to be absorbed.
  void answer(bool all_absorbed);

  // Whether the file is in step with the log, and nothing is against sending.
  bool is_running() const { return is_running_; }
  // The end of the log that was looked up last.
  Sequence end() const { return end_; }

  // Whether the rows on which the colony was begun may be others than this file's.
  bool is_base_unknown() const;
  void trust_own_base() { trusts_own_base_ = true; }

 private:
  void check_key();
  void tell_running();
  OwnEntries own_entries() const { return {own_name_.accepted(), own_name_.introduced()}; }

  FoldedFile& file_;
  Log& log_;
  LogValidation& validation_;
  ApplierObserver& observer_;
  const Settings settings_;
  OwnName own_name_;
  std::string key_trouble_;                // as of the keys that the file trusts
  std::optional<std::uint64_t> question_;  // the latest for which end_ was looked up
  Sequence end_;
  bool is_running_ = false;
  bool is_alone_ = false;  // may send, and has met nobody yet
  bool trusts_own_base_ = false;
};

}  // namespace colony
