#include "tests/unit/apply/planner_transcript.h"

#include <deque>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "replicator/apply/planner.h"
#include "replicator/log/error.h"

namespace colony::unit {
namespace {

using Words = std::deque<std::string>;

constexpr std::uint64_t kShape = 5;
const Identity kSelf{"test", "self", Incarnation(1)};
const LogName kLog{"test", "epoch"};

SigningKey key(const std::string& name) { return SigningKey::from_seed(std::string(32, name.at(0))); }

Words words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()};
}

std::string take(Words& words) {
  if (words.empty()) throw Error("a line of the transcript ends too early");
  std::string word = words.front();
  words.pop_front();
  return word;
}

std::uint64_t take_number(Words& words) { return std::stoull(take(words)); }

// The rest of the words, if they begin with that one: what follows it.
std::optional<std::string> take_option(Words& words, const std::string& name) {
  if (words.empty() || words.front() != name) return std::nullopt;
  take(words);
  return take(words);
}

// "b/7" is the life 7 of b, and "b" the first.
std::pair<std::string, Incarnation> life_of(const std::string& word) {
  const std::size_t slash = word.find('/');
  const std::string name = word.substr(0, slash);
  return {name, Incarnation(slash == std::string::npos ? 1 : std::stoull(word.substr(slash + 1)))};
}

Trust take_trust(Words& words) {
  Trust trust{take_number(words), {}};
  for (; !words.empty() && words.front().find('=') == 1; words.pop_front()) {
    trust.keys[words.front().substr(0, 1)] = key(words.front().substr(2)).public_key();
  }
  return trust;
}

bool is_option(const std::string& word) { return word == "under" || word == "signed" || word == "seen"; }

// One message, from what a line says of it.
class Writer {
 public:
  explicit Writer(const std::string& line) : words_(words_of(line)) {}

  Message message(Sequence sequence) {
    std::string who = take(words_);
    const bool sends = who.back() == ':';
    if (sends) who.pop_back();
    std::tie(origin_, incarnation_) = life_of(who);
    if (sends) {
      const TransactionsEntry entry = transactions();
      return finished(sequence, entry);
    }
    const std::string what = take(words_);
    if (what == "noise") return {sequence, origin_, "noise"};
    if (what == "nothing") return {sequence, origin_, ""};
    if (what == "newer") return newer(sequence, take(words_));
    return finished(sequence, body(what));
  }

 private:
  EntryBody body(const std::string& what) {
    if (what == "hello") return HelloEntry{"host", "/" + origin_, "1"};
    if (what == "leaves") return LeaveEntry{origin_, incarnation_};
    if (what == "barrier") return BarrierEntry{1};
    if (what == "proof") return ProofEntry{1, Sequence(1), 0, {}};
    if (what == "question") return QuestionEntry{1, CheckKind::kApart, {{"t", 1, 1, "", ""}}};
    if (what == "removes") {
      const auto [node, incarnation] = life_of(take(words_));
      return LeaveEntry{node, incarnation};
    }
    if (what == "trust") {
      const Trust trust = take_trust(words_);
      return TrustEntry{trust.version, trust.keys};
    }
    throw Error("nobody can say " + what);
  }

  TransactionsEntry transactions() {
    TransactionsEntry entry;
    entry.first = ChunkNumber(take_number(words_));
    while (!words_.empty() && !is_option(words_.front())) {
      std::string& text = texts_.emplace_back(take(words_));
      const bool last = text.back() != '-';
      if (!last) text.pop_back();
      entry.chunks.push_back({last, kShape, text});
    }
    return entry;
  }

  Message finished(Sequence sequence, const EntryBody& body) {
    const std::string subject = take_option(words_, "under").value_or(origin_);
    const auto signer = take_option(words_, "signed");
    const Sequence seen(std::stoull(take_option(words_, "seen").value_or("0")));
    if (!words_.empty()) throw Error("what is " + words_.front() + "?");
    if (!signer) return {sequence, subject, encode(origin_, incarnation_, body)};
    const SigningKey key = unit::key(*signer);
    const Seal seal{key, kLog, seen};
    return {sequence, subject, encode(origin_, incarnation_, body, &seal)};
  }

  // A barrier as a version to come might write it.
  Message newer(Sequence sequence, const std::string& what) {
    const auto signer = take_option(words_, "signed");
    const SigningKey key = unit::key(signer.value_or("-"));
    const Seal seal{key, kLog, Sequence()};
    std::string data = encode(origin_, incarnation_, BarrierEntry{1}, signer ? &seal : nullptr);
    data.resize(data.size() - sizeof(std::uint64_t) - (signer ? kSignatureBytes : 0));
    if (what == "format") data[4] = 9;
    if (what == "kind") data[5] = 77;
    if (signer) data += key.sign(signed_text(kLog, data));
    const std::uint64_t checksum = message_hash(data);
    data.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
    return {sequence, origin_, data};
  }

  Words words_;
  std::string origin_;
  Incarnation incarnation_;
  std::deque<std::string> texts_;
};

std::string shown_transaction(const PlannedTransaction& transaction) {
  const std::string number = std::to_string(transaction.last.value());
  if (transaction.own) return "own " + number;
  if (transaction.shape != kShape) throw Error("a transaction is of another shape than it was");
  std::string text = "apply " + number + " " + (transaction.begins_in_file ? "file+" : "");
  for (const std::string_view fragment : transaction.beginning) text += std::string(fragment) + "+";
  return text + std::string(transaction.end);
}

std::string shown(const PlannedMessage& planned) {
  if (planned.untrusted) return "untrusted";
  if (planned.out_of_turn) return "out of turn";
  if (!planned.entry) return "no entry";
  if (planned.ignored) return "ignored";
  if (planned.hello() != nullptr) return "hello";
  if (planned.barrier() != nullptr) return "barrier";
  if (planned.question() != nullptr) return "question";
  if (planned.proof() != nullptr) return "proof";
  if (planned.leave() != nullptr) return "leave of " + planned.leave()->node;
  if (planned.trust() != nullptr) return "trust " + std::to_string(planned.trust()->version);
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : ", ") + part; };
  for (const OwnChunk& chunk : planned.own_chunks) {
    add("outbox has " + std::to_string(chunk.number.value()) + " " + std::string(chunk.changeset) +
        (chunk.last ? "" : "-"));
  }
  for (const PlannedTransaction& transaction : planned.transactions) add(shown_transaction(transaction));
  for (const PlannedFragment& fragment : planned.fragments) {
    add("keep " + std::to_string(fragment.chunk.value()) + " " + std::string(fragment.changeset));
  }
  add("up to " + std::to_string(planned.accepted.value()));
  return out;
}

class Replay {
 public:
  explicit Replay(Ahead ahead) {
    if (ahead == Ahead::kSignatures) ahead_ = {1, {{"b", key("b").public_key()}, {"c", key("o").public_key()}}};
    state_.epoch = kLog.epoch;
  }

  void know(const std::string& fact) {
    Words words = words_of(fact);
    const std::string subject = take(words);
    if (subject == "outbox") {
      take(words);
      outbox_end_ = ChunkNumber(take_number(words));
    } else if (subject == "trust") {
      state_.trust = take_trust(words);
    } else if (words.front() == "departed") {
      state_.departed.insert(Incarnation(std::stoull(subject)));
    } else if (words.front() == "unfinished") {
      state_.unfinished.insert(subject);
    } else {
      take(words);
      const auto [node, incarnation] = life_of(subject);
      state_.origins[node] = {incarnation, ChunkNumber(take_number(words)), Sequence(), "host", "/" + node, "1"};
    }
  }

  std::string plan(const std::string& line) {
    messages_.push_back(Writer(line).message(Sequence(messages_.size() + 1)));
    verified_.look_at({messages_.back()}, ahead_, kLog);
    if (!planner_) planner_.emplace(state_, kSelf, outbox_end_, verified_);
    try {
      return shown(planned_.emplace_back(planner_->plan(messages_.back())));
    } catch (const Halt& halt) {
      return std::string("halt: ") + halt.what();
    }
  }

 private:
  LogState state_;
  ChunkNumber outbox_end_;
  Trust ahead_;  // with which signatures are looked at; the colony's may be another one
  VerifiedEntries verified_;
  std::optional<Planner> planner_;
  std::deque<Message> messages_;
  std::deque<PlannedMessage> planned_;
};

}  // namespace

std::string replanned(const std::string& transcript, Ahead ahead) {
  constexpr std::string_view kFile = "file: ";
  Replay replay(ahead);
  std::string out, line;
  std::istringstream lines(transcript);
  while (std::getline(lines, line)) {
    const std::string said = line.substr(0, line.find("->"));
    const bool is_remark = said.find_first_not_of(' ') == std::string::npos || said.front() == '#';
    if (is_remark) {
      out += line + "\n";
    } else if (said.starts_with(kFile)) {
      replay.know(said.substr(kFile.size()));
      out += line + "\n";
    } else {
      out += said + "-> " + replay.plan(said) + "\n";
    }
  }
  return out;
}

}  // namespace colony::unit
