// What holds for the fold of any transaction onto any rows.
#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::MemoryFold;
using unit::MemoryNode;

std::string joined(const std::vector<std::string>& statements) {
  std::string out;
  for (const std::string& sql : statements) out += sql + ";\n";
  return out;
}

// A file that random statements have filled.
class Filled {
 public:
  Filled(const std::string& schema, unit::RandomSql& random, std::uint32_t statements_max) : node_(schema) {
    const std::vector<std::string> statements = random.statements(statements_max);
    for (const std::string& sql : statements) unit::error_of(node_.db(), sql);
    script_ = joined(statements);
  }
  // One more transaction; its changeset, maybe empty.
  std::string transaction(unit::RandomSql& random, std::uint32_t statements_max) {
    const std::size_t before = node_.outbox().size();
    const std::vector<std::string> statements = random.statements(statements_max);
    unit::run_transaction(statements, [&](const std::string& sql) { unit::error_of(node_.db(), sql); });
    script_ += "BEGIN;\n" + joined(statements) + "COMMIT;\n";
    return node_.outbox().size() == before ? std::string() : node_.outbox().back();
  }
  MemoryNode& node() { return node_; }
  const std::string& script() const { return script_; }

 private:
  MemoryNode node_;
  std::string script_;
};

class FoldProperty : public testing::TestWithParam<std::string> {};

TEST_P(FoldProperty, effect_inverts_to_the_very_same_rows) {
  for (std::uint32_t seed = 0; seed < unit::seeds(60); ++seed) {
    unit::RandomSql random(seed);
    Filled here(GetParam(), random, 6), there(GetParam(), random, 6);
    const std::string changeset = there.transaction(random, 5);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", here:\n" + here.script() + "there:\n" + there.script());

    MemoryFold file(here.node().path());
    const std::string before = file.rows("t");
    Conflicts conflicts;
    const std::string effect = file.effect_of(changeset, &conflicts);
    const std::string after = file.rows("t");
    ASSERT_EQ(file.apply(unit::inverted(effect)), "");
    ASSERT_EQ(file.rows("t"), before);
    // And the effect itself leads there again without a conflict.
    ASSERT_EQ(file.apply(effect), "");
    ASSERT_EQ(file.rows("t"), after);
    // Whether it is recorded or not makes no difference.
    MemoryFold other(here.node().path());
    ASSERT_EQ(other.apply(unit::inverted(effect)), "");
    ASSERT_EQ(other.apply(changeset), unit::shown_conflicts(conflicts));
    ASSERT_EQ(other.rows("t"), after);
    ASSERT_EQ(other.db().query_text("PRAGMA integrity_check"), "ok");
  }
}

TEST_P(FoldProperty, transaction_onto_the_rows_it_was_made_of_has_no_conflict) {
  for (std::uint32_t seed = 0; seed < unit::seeds(40); ++seed) {
    unit::RandomSql random(seed);
    Filled origin(GetParam(), random, 6);
    const std::string changeset = origin.transaction(random, 8);
    MemoryFold file(origin.node().path());
    const std::string after = file.rows("t");
    SCOPED_TRACE(origin.script());
    ASSERT_EQ(file.apply(unit::inverted(changeset)), "");
    ASSERT_EQ(file.apply(changeset), "");
    ASSERT_EQ(file.rows("t"), after);
  }
}

// The order of the changes of one transaction is of no account unless two of
// them want one unique value.
TEST_P(FoldProperty, same_transaction_twice_is_the_same_as_once) {
  for (std::uint32_t seed = 0; seed < unit::seeds(40); ++seed) {
    unit::RandomSql random(seed);
    Filled here(GetParam(), random, 6), there(GetParam(), random, 6);
    const std::string changeset = there.transaction(random, 5);
    MemoryFold file(here.node().path());
    file.apply(changeset);
    const std::string once = file.rows("t");
    file.apply(changeset);
    ASSERT_EQ(file.rows("t"), once) << here.script() << "there:\n" << there.script();
  }
}

INSTANTIATE_TEST_SUITE_P(Schemas, FoldProperty, testing::ValuesIn(unit::random_schemas()),
                         [](const auto& schema) { return "schema" + std::to_string(schema.index); });

}  // namespace
}  // namespace colony
