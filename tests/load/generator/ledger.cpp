#include "tests/load/generator/ledger.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace load {

std::uint64_t Ledger::sent(Operation operation, std::uint32_t key, std::uint8_t node, std::int64_t now_ns) {
  records_.push_back({now_ns, 0, key, node, operation, State::kUnknown});
  return before_first_ + records_.size();
}

void Ledger::acknowledged(std::uint64_t token, std::int64_t now_ns) {
  Record& record = records_[token - before_first_ - 1];
  record.answered_ns = now_ns;
  record.state = State::kAcknowledged;
  if (record.operation != Operation::kAddObject) latest_[record.key] = std::max(latest_[record.key], token);
}

void Ledger::refused(std::uint64_t token) { records_[token - before_first_ - 1].state = State::kRefused; }

const Ledger::Record* Ledger::record_of(std::uint64_t token) const {
  const std::uint64_t number = token - before_first_;  // of a former run: huge
  return number == 0 || number > records_.size() ? nullptr : &records_[number - 1];
}

bool Ledger::must_be_before(const Record& earlier, const Record& later, const std::vector<bool>& was_gone,
                            std::int64_t order_ns) const {
  if (earlier.state != State::kAcknowledged || later.sent_ns <= earlier.answered_ns) return false;
  if (earlier.node == later.node) return true;
  return !was_gone[earlier.node] && later.sent_ns - earlier.answered_ns > order_ns;
}

bool Ledger::is_given(std::uint32_t key, const Content& content) const {
  if (content.token <= before_first_) return true;
  const Record* const record = record_of(content.token);
  return record != nullptr && record->operation != Operation::kAddObject && record->key == key &&
         record->state != State::kRefused && content.bytes == value_bytes_;
}

bool Ledger::is_given(const AddedObject& object) const {
  if (object.token <= before_first_) return true;
  const Record* const record = record_of(object.token);
  return record != nullptr && record->operation == Operation::kAddObject && record->node == object.node &&
         record->state != State::kRefused;
}

struct Ledger::Judgement {
  Verdict verdict;
  void example(const std::string& text) {
    if (verdict.examples.size() < 20) verdict.examples.push_back(text);
  }
};

void Ledger::compare(const std::vector<NodeRows>& nodes, Judgement& judgement) const {
  const NodeRows& first = nodes[0];
  const auto of = [](std::uint64_t token) {
    return token == kMissing ? "missing" : token == kCorrupt ? "corrupt" : fmt::format("of write {}", token);
  };
  for (std::size_t n = 1; n < nodes.size(); ++n) {
    for (std::size_t key = 0; key < first.values.size(); ++key) {
      if (nodes[n].values[key] == first.values[key]) continue;
      ++judgement.verdict.differing;
      judgement.example(fmt::format("{} is {} on the first node and {} on node {}",
                                    key_name(static_cast<std::uint32_t>(key)), of(first.values[key].token),
                                    of(nodes[n].values[key].token), n + 1));
    }
    if (nodes[n].objects == first.objects && nodes[n].corrupt == first.corrupt) continue;
    ++judgement.verdict.differing;
    judgement.example(fmt::format("the first node has {} new objects and node {} has {}, or not the same",
                                  first.objects.size(), n + 1, nodes[n].objects.size()));
  }
}

void Ledger::find_corrupt(const NodeRows& rows, std::size_t node, Judgement& judgement) const {
  const auto note = [&](const std::string& name) {
    ++judgement.verdict.corrupt;
    judgement.example(fmt::format("{} on node {} is as nobody has written it", name, node + 1));
  };
  for (std::uint32_t key = 0; key < rows.values.size(); ++key) {
    const Content& there = rows.values[key];
    if (there.token != kMissing && !is_given(key, there)) note(key_name(key));
  }
  for (const AddedObject& object : rows.objects) {
    if (!is_given(object)) note(object_name(object.token));
  }
  for (const std::string& name : rows.corrupt) note(name);
}

Verdict Ledger::judge(const std::vector<NodeRows>& nodes, const std::vector<bool>& was_gone,
                      std::int64_t order_ns) const {
  Judgement judgement;
  compare(nodes, judgement);
  for (std::size_t n = 0; n < nodes.size(); ++n) find_corrupt(nodes[n], n, judgement);
  Verdict& verdict = judgement.verdict;
  for (std::uint64_t number = 1; number <= records_.size(); ++number) {
    const std::uint64_t token = before_first_ + number;
    const Record& record = records_[number - 1];
    if (record.state == State::kUnknown) ++verdict.unknown;
    if (record.state != State::kAcknowledged) continue;
    ++verdict.acknowledged;
    bool is_present = true, is_lost = false;
    for (const NodeRows& node : nodes) {
      if (record.operation == Operation::kAddObject) {
        is_lost =
            is_lost || !std::binary_search(node.objects.begin(), node.objects.end(), AddedObject{token, record.node});
        continue;
      }
      const Content& there = node.values[record.key];
      const bool is_other = there.token != token;
      if (is_other) is_present = false;
      // Not whole, of nobody, refused, of another key, of the time before, or of one before it.
      const Record* const other = record_of(there.token);
      is_lost = is_lost || !is_given(record.key, there) || other == nullptr ||
                (is_other && must_be_before(*other, record, was_gone, order_ns));
    }
    if (is_lost) {
      ++verdict.lost;
      judgement.example(fmt::format(
          "{} {} on node {} ({}) was acknowledged and is lost", name_of(record.operation), token, record.node + 1,
          record.operation == Operation::kAddObject ? object_name(token) : key_name(record.key)));
    } else {
      ++(is_present ? verdict.present : verdict.overwritten);
    }
  }
  return verdict;
}

}  // namespace load
