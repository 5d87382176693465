// The tables and rows that the fuzzers' changesets are about.
#pragma once

namespace colony::fuzz {

inline constexpr const char* kSampleSchema =
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, url TEXT UNIQUE, size, owner TEXT COLLATE NOCASE, "
    "twice AS (size * 2), UNIQUE(owner, size));"
    "CREATE TABLE \"odd names\"(\"a b\" TEXT, c REAL, d BLOB UNIQUE, PRIMARY KEY(c, \"a b\")) WITHOUT ROWID;";

inline constexpr const char* kSampleRows =
    "INSERT INTO objects VALUES(1, 'u1', 10, 'ada'), (2, 'u2', 20, 'Ada'), (3, NULL, NULL, NULL), (4, 'u4', -1, 'b');"
    "INSERT INTO \"odd names\" VALUES('x', 1.5, x'00'), ('y', 2, NULL), ('', -0.0, 'text');";

inline constexpr const char* kSampleRowsInAnotherOrder =
    "INSERT INTO \"odd names\" VALUES('', -0.0, 'text'), ('y', 2, NULL), ('x', 1.5, x'00');"
    "INSERT INTO objects VALUES(4, 'u4', -1, 'b'), (3, NULL, NULL, NULL), (2, 'u2', 20, 'Ada'), (1, 'u1', 10, 'ada');";

// Transactions whose changesets the search begins with.
inline constexpr const char* kSampleTransactions[] = {
    "INSERT INTO objects VALUES(9, 'u9', 90, 'c')",
    "UPDATE objects SET size = size + 1",
    R"(BEGIN;
       UPDATE objects SET url = NULL WHERE id = 1;
       UPDATE objects SET url = 'u1' WHERE id = 2;
       UPDATE objects SET url = 'u2' WHERE id = 1;
       COMMIT)",
    "DELETE FROM objects WHERE id IN (1, 3)",
    "UPDATE objects SET id = 7, owner = x'ff00' WHERE id = 1",
    "UPDATE \"odd names\" SET d = 'long' || hex(zeroblob(200)) WHERE c > 1.7",
    R"(BEGIN;
       DELETE FROM objects;
       INSERT INTO objects VALUES(2, 'u1', 1e300, 'Z');
       UPDATE "odd names" SET "a b" = 'z', d = NULL;
       INSERT INTO "odd names" VALUES('n', 9, '');
       COMMIT)",
};

}  // namespace colony::fuzz
