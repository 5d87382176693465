// Nodes that write at random over one log, each at its own pace, end alike.
#include <gtest/gtest.h>

#include "replicator/compare/proof.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::MemorySidecar;
using unit::MemoryStream;

std::string proof_of(MemorySidecar& sidecar) {
  const ProofEntry proof = ProofSnapshot(sidecar.app().path(), 1, sidecar.file().position()).compute();
  return std::to_string(proof.tables.at(0).hash) + ", " + std::to_string(proof.tables.at(0).rows) + " rows";
}

class Convergence : public testing::TestWithParam<std::string> {
 protected:
  void write(MemorySidecar& node) {
    if (random_->below(2) == 0) {
      execute(node, random_->statement());
    } else {
      unit::run_transaction(random_->statements(3), [&](const std::string& sql) { execute(node, sql); });
    }
  }
  void execute(MemorySidecar& node, const std::string& sql) {
    const std::string error = unit::error_of(node.app().db(), sql);
    script_ += node.file().identity().node + ": " + sql + (error.empty() ? "" : "  -- " + error) + ";\n";
  }
  // One of them does one thing.
  void step(std::vector<std::unique_ptr<MemorySidecar>>& nodes) {
    MemorySidecar& node = *nodes[random_->below(static_cast<std::uint32_t>(nodes.size()))];
    switch (random_->below(5)) {
      case 0:
        node.publish();
        return;
      case 1: {
        node.absorb();
        script_ += node.file().identity().node + " absorbs\n";
        return;
      }
      case 2: {
        const std::string before = proof_of(node);
        write(node);
        EXPECT_EQ(proof_of(node), before);  // what is pending is not in it
        return;
      }
      default:
        write(node);
    }
  }

  std::unique_ptr<unit::RandomSql> random_;
  std::string script_;
};

TEST_P(Convergence, nodes_that_write_at_random_end_alike) {
  for (std::uint32_t seed = 0; seed < unit::seeds(6); ++seed) {
    random_ = std::make_unique<unit::RandomSql>(seed);
    script_ = "seed " + std::to_string(seed) + "\n";
    MemoryStream stream;
    std::vector<std::unique_ptr<MemorySidecar>> nodes;
    for (const char* name : {"a", "b", "c"}) {
      nodes.push_back(std::make_unique<MemorySidecar>(stream, GetParam(), name, nodes.size() + 1));
    }
    unit::settle({nodes[0].get(), nodes[1].get(), nodes[2].get()});
    for (int i = 0; i < 60; ++i) step(nodes);
    unit::settle({nodes[0].get(), nodes[1].get(), nodes[2].get()});

    // One that was not there has the log alone: nothing but its fold.
    MemorySidecar late(stream, GetParam(), "d", 4);
    late.absorb();
    for (const auto& node : nodes) {
      ASSERT_EQ(node->file().pending_transactions(), 0) << script_;
      ASSERT_EQ(node->app().rows("t"), late.app().rows("t")) << script_;
      ASSERT_EQ(node->app().rows("__colony_conflicts"), late.app().rows("__colony_conflicts")) << script_;
      ASSERT_EQ(node->app().rows("__colony_origins"), late.app().rows("__colony_origins"));
      ASSERT_EQ(proof_of(*node), proof_of(late));
      ASSERT_EQ(node->app().db().query_text("PRAGMA integrity_check"), "ok");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schemas, Convergence, testing::ValuesIn(unit::random_schemas()),
                         [](const auto& schema) { return "schema" + std::to_string(schema.index); });

}  // namespace
}  // namespace colony
