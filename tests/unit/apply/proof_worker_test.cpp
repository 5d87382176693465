#include "replicator/apply/proof_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

TEST(ProofWorker, answers_on_its_own_thread) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY)");
  node.run("INSERT INTO t VALUES(1), (2); DELETE FROM __colony_outbox");
  std::promise<ProofEntry> answer;
  LoopProgress loop_progress;
  ProofWorker worker(
      node.path(), [&](ProofEntry proof) { answer.set_value(std::move(proof)); }, loop_progress);
  worker.answer(BarrierEntry{77}, Sequence(0));
  const ProofEntry proof = answer.get_future().get();
  EXPECT_EQ(proof.id, 77u);
  ASSERT_EQ(proof.tables.size(), 1u);
  EXPECT_EQ(proof.tables[0].rows, 2u);
}

TEST(ProofWorker, answers_each_of_a_few_questions) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY)");
  std::promise<void> both;
  std::atomic<int> answers{0};
  LoopProgress loop_progress;
  ProofWorker worker(
      node.path(),
      [&](const ProofEntry&) {
        if (++answers == 2) both.set_value();
      },
      loop_progress);
  worker.answer(BarrierEntry{1}, Sequence(0));
  worker.answer(BarrierEntry{2}, Sequence(0));
  both.get_future().wait();
}

TEST(ProofWorker, ends_in_the_middle_of_its_work) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run(
      "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) INSERT INTO t SELECT i, i FROM n;"
      "DELETE FROM __colony_outbox");
  LoopProgress loop_progress;
  ProofWorker worker(
      node.path(), [](const ProofEntry&) {}, loop_progress);
  worker.answer(BarrierEntry{1}, Sequence(0));
}

}  // namespace
}  // namespace colony
