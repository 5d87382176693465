// Foreign keys of all sorts are counted where that can be, and named where it cannot.
#include "replicator/compare/foreign_keys.h"

#include <gtest/gtest.h>

#include "replicator/compare/proof.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

std::string doubtful(MemoryNode& node) {
  std::string out;
  for (const std::string& key : doubtful_foreign_keys(node.db())) out += key + "\n";
  return out;
}

TEST(ForeignKeys, violations_are_counted_beside_keys_without_a_proper_parent) {
  MemoryNode node(
      "CREATE TABLE p(id TEXT PRIMARY KEY, u TEXT, w TEXT UNIQUE); CREATE TABLE other(id INTEGER PRIMARY KEY);"
      "CREATE TABLE c(id INTEGER PRIMARY KEY, au TEXT REFERENCES p(u), ap TEXT REFERENCES p, aw REFERENCES p(w));"
      "CREATE TABLE d(id INTEGER PRIMARY KEY, o REFERENCES other)");
  node.run(
      "INSERT INTO p VALUES('p', 'u', 'w'); INSERT INTO c VALUES(1, 'none', 'p', 'w'), (2, 'none', 'none', 'none'),"
      "(3, NULL, NULL, NULL); INSERT INTO d VALUES(1, 7)");
  EXPECT_EQ(count_foreign_key_violations(node.db()), 3u);  // row 2 of c has two, row 1 of d one
  EXPECT_EQ(doubtful(node), "c(au) refers to p(u), which is not unique\n");
}

TEST(ForeignKeys, every_sort_of_improper_parent_is_named) {
  MemoryNode node(
      "CREATE TABLE p(id TEXT PRIMARY KEY, u TEXT); CREATE VIEW v AS SELECT * FROM p; CREATE TABLE keyless(x);"
      "CREATE TABLE pair(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID; CREATE UNIQUE INDEX part ON p(u) WHERE u > 'a';"
      "CREATE TABLE c(id INTEGER PRIMARY KEY, a REFERENCES v(id), b REFERENCES p(absent), c REFERENCES nowhere(x),"
      " d REFERENCES keyless, e REFERENCES pair, f REFERENCES p(u), g REFERENCES P(ID), h REFERENCES keyless(x), i, j,"
      " FOREIGN KEY(i, j) REFERENCES pair(b, a)); CREATE UNIQUE INDEX x ON keyless(x)");
  EXPECT_EQ(doubtful(node),
            "c(a) refers to v(id), which is a view\n"
            "c(b) refers to p(absent), which has no column absent\n"
            "c(c) refers to nowhere(x), which does not exist\n"
            "c(d) refers to keyless, which has no PRIMARY KEY\n"
            "c(e) refers to pair, whose PRIMARY KEY has another number of columns\n"
            "c(f) refers to p(u), which is not unique\n"
            "c(h) refers to keyless(x), which is not replicated\n");
}

TEST(ForeignKeys, proof_is_made_whatever_they_are) {
  for (const char* key : {"REFERENCES p(u)", "REFERENCES v(id)", "REFERENCES p(absent)", "REFERENCES nowhere(x)",
                          "REFERENCES keyless(x)", "REFERENCES keyless"}) {
    MemoryNode node(
        "CREATE TABLE p(id TEXT PRIMARY KEY, u TEXT); CREATE VIEW v AS SELECT * FROM p; CREATE TABLE keyless(x);"
        "CREATE TABLE c(id INTEGER PRIMARY KEY, au " +
        std::string(key) + ")");
    node.run("INSERT INTO c VALUES(1, 'x'); INSERT INTO p VALUES('a', 'b')");
    const ProofEntry proof = ProofSnapshot(node.path(), 1, Sequence(0)).compute();
    ASSERT_EQ(proof.tables.size(), 2u) << key;
    EXPECT_NE(doubtful(node), "") << key;
  }
}

}  // namespace
}  // namespace colony
