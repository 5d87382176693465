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

Verdict Ledger::judge(const std::vector<NodeRows>& nodes, const std::vector<bool>& was_gone,
                      std::int64_t order_ns) const {
  Verdict verdict;
  const auto example = [&](const std::string& text) {
    if (verdict.examples.size() < 20) verdict.examples.push_back(text);
  };
  for (std::size_t n = 1; n < nodes.size(); ++n) {
    for (std::size_t key = 0; key < nodes[0].values.size(); ++key) {
      if (nodes[n].values[key] == nodes[0].values[key]) continue;
      ++verdict.differing;
      example(fmt::format("{} is of write {} on the first node and of {} on node {}",
                          key_name(static_cast<std::uint32_t>(key)), nodes[0].values[key], nodes[n].values[key],
                          n + 1));
    }
    if (nodes[n].objects == nodes[0].objects) continue;
    ++verdict.differing;
    example(fmt::format("the first node has {} new objects and node {} has {}", nodes[0].objects.size(), n + 1,
                        nodes[n].objects.size()));
  }

  for (std::uint64_t number = 1; number <= records_.size(); ++number) {
    const std::uint64_t token = before_first_ + number;
    const Record& record = records_[number - 1];
    if (record.state == State::kUnknown) ++verdict.unknown;
    if (record.state != State::kAcknowledged) continue;
    ++verdict.acknowledged;
    bool is_present = true, is_lost = false;
    for (const NodeRows& node : nodes) {
      if (record.operation == Operation::kAddObject) {
        is_lost = is_lost || !std::binary_search(node.objects.begin(), node.objects.end(), token);
        continue;
      }
      const std::uint64_t there = node.values[record.key];
      if (there == token) continue;
      is_present = false;
      // Of the time before, of nobody, refused, of another key, or of one before it.
      const Record* const other = record_of(there);
      is_lost = is_lost || other == nullptr || other->state == State::kRefused || other->key != record.key ||
                other->operation == Operation::kAddObject || must_be_before(*other, record, was_gone, order_ns);
    }
    if (is_lost) {
      ++verdict.lost;
      example(fmt::format("{} {} on node {} ({}) was acknowledged and is lost", name_of(record.operation), token,
                          record.node + 1,
                          record.operation == Operation::kAddObject ? object_name(token) : key_name(record.key)));
    } else {
      ++(is_present ? verdict.present : verdict.overwritten);
    }
  }
  return verdict;
}

}  // namespace load
