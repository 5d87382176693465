// Writes a transaction that changes the schema into the outbox of its file, within that very
// transaction or a later one: what it does to the schema, its rows, and what is to be undone of it.
//
// Threads: those of the connection. Errors: RecordError, SpillError, std::bad_alloc.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sqlite_ext/outbox_writer.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/schema_judge.h"

namespace colony {

class SchemaTransaction {
 public:
  // Of `schema` (`main`, or an attached file). `recorder` has the rows of the tables that there were
  // before, under their names of then as objects; `judge` knows the schema before. All must
  // outlive it.
  SchemaTransaction(sqlite3* db, std::string schema, Recorder& recorder, SchemaJudge& judge, OutboxWriter& outbox)
      : db_(db), schema_(std::move(schema)), recorder_(recorder), judge_(judge), outbox_(outbox) {}

  // The rows of tables that are new, or made anew, are read now, however they came there. Also
  // takes in the new tables, and notes what is agreed on and what columns there were.
  void write(const std::vector<std::string>& new_tables);

 private:
  SchemaChanges with_renamed_columns(const SchemaChanges& changes);
  void fill_new_columns(SchemaChanges& changes);
  void write_effect(const SchemaChanges& changes, const std::set<std::string>& gone);

  sqlite3* db_;
  const std::string schema_;
  Recorder& recorder_;
  SchemaJudge& judge_;
  OutboxWriter& outbox_;
};

}  // namespace colony
