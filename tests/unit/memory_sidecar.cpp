#include "tests/unit/memory_sidecar.h"

#include <algorithm>

namespace colony::unit {
namespace {

std::string shown_body(const Entry& entry) {
  if (std::holds_alternative<HelloEntry>(entry.body)) return "hello";
  if (std::holds_alternative<BarrierEntry>(entry.body)) return "barrier";
  if (std::holds_alternative<ProofEntry>(entry.body)) return "proof";
  if (std::holds_alternative<QuestionEntry>(entry.body)) return "question";
  const auto& transactions = std::get<TransactionsEntry>(entry.body);
  const std::uint64_t first = transactions.first.value();
  return std::to_string(first) + ".." + std::to_string(first + transactions.chunks.size() - 1);
}

}  // namespace

Sequence MemoryStream::append(const std::string& origin, std::string data) {
  const std::size_t next = messages.size() + 1;
  messages.push_back({Sequence(next), origin, std::move(data), static_cast<std::int64_t>(next)});
  return last();
}

std::string MemoryStream::shown() const {
  std::string out;
  for (const Message& message : messages) {
    const auto entry = decode(message.data, message.origin);
    out += message.origin + " " + (entry ? shown_body(*entry) : "noise") + "\n";
  }
  return out;
}

LogInfo MemoryLog::info() { return {stream_.epoch, 0, stream_.first, stream_.last(), stream_.entry_bytes_max}; }

std::optional<Message> MemoryLog::read(Sequence sequence) {
  if (sequence < stream_.first || sequence > stream_.last() || sequence == Sequence()) return std::nullopt;
  return stream_.messages[sequence.value() - 1];
}

std::vector<Message> MemoryLog::fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds) {
  std::vector<Message> messages;
  std::size_t bytes = 0;
  for (Sequence at = std::max(from, stream_.first); at <= stream_.last(); at = at.next()) {
    if (messages.size() == limits.messages || bytes >= limits.bytes) break;
    if (std::find(hidden_.begin(), hidden_.end(), at) != hidden_.end()) continue;
    messages.push_back(stream_.messages[at.value() - 1]);
    bytes += messages.back().data.size();
  }
  return messages;
}

void MemoryLog::publish(std::string_view entry) {
  ++published_;
  Fate fate = Fate::kArrives;
  if (!fates_.empty()) {
    fate = fates_.front();
    fates_.pop_front();
  }
  const bool arrives = fate == Fate::kArrives || fate == Fate::kFailsLate || fate == Fate::kArrivesTwice;
  if (arrives) stream_.append(node_, std::string(entry));
  if (fate == Fate::kArrivesTwice) stream_.append(node_, std::string(entry));
  if (fate == Fate::kIsRefused) ++failures_;
  if (fate == Fate::kFails || fate == Fate::kFailsLate) throw LogUnavailable("no connection");
}

MemorySidecar::MemorySidecar(MemoryStream& stream, const std::string& schema, const std::string& node,
                             std::uint64_t incarnation)
    : owned_(std::make_unique<MemoryNode>(schema, node)), app_(owned_.get()), log_(stream, node) {
  app_->run("UPDATE __colony_meta SET value = " + std::to_string(incarnation) + " WHERE key = 'incarnation'");
  file_ = std::make_unique<NodeFile>(app_->db());
  applier_options.home = {"host", "/" + node};
  publisher_options.hello = {"host", "/" + node, "1"};
  restart();
}

MemorySidecar::MemorySidecar(MemoryStream& stream, MemoryNode& app, const std::string& node)
    : app_(&app), file_(std::make_unique<NodeFile>(app.db())), log_(stream, node) {
  applier_options.home = {"host", "/" + node};
  publisher_options.hello = {"host", "/" + node, "1"};
  restart();
}

void MemorySidecar::restart() {
  applier_.reset();
  publisher_.reset();
  permit_ = std::make_unique<PublishPermit>();
  reports_ = std::make_unique<ApplierReports>(*permit_, status_, listeners);
  applier_options.go_on_waiting = [](int) { return false; };  // nobody else would let go
  publisher_options.now = [this] { return now_; };
  applier_ = std::make_unique<Applier>(app_->path(), log_, *reports_, applier_options);
  publisher_ = std::make_unique<Publisher>(app_->path(), log_, *permit_, publisher_options);
}

int MemorySidecar::absorb() {
  int steps = 0;
  while (applier_->step(std::chrono::milliseconds(0))) ++steps;
  return steps;
}

int MemorySidecar::publish() {
  int steps = 0;
  while (publisher_->step()) ++steps;
  return steps;
}

void MemorySidecar::settle() { unit::settle({this}); }

void settle(std::initializer_list<MemorySidecar*> sidecars) {
  // A question of the publisher is answered in the round after.
  for (int idle_rounds = 0; idle_rounds < 2;) {
    bool busy = false;
    for (MemorySidecar* sidecar : sidecars) {
      busy |= sidecar->absorb() > 0;
      busy |= sidecar->publish() > 0;
    }
    idle_rounds = busy ? 0 : idle_rounds + 1;
  }
}

}  // namespace colony::unit
