// Single changes of the schema, made as they are, and what Colony knows of the tables kept
// in step. See schema_fold.h for who decides whether to make them.
//
// In the caller's write transaction. Errors: as there.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

// Runs a statement on behalf of a change.
void run_schema_statement(Database& db, const SchemaChange& change, const std::string& sql);

// The CREATE statement of an object; empty if there is none. Names are compared as SQLite does.
std::string present_sql(Database& db, const std::string& type, const std::string& name);

// Of a table as it is now.
bool has_key(Database& db, const std::string& table);
bool has_column(Database& db, const std::string& table, const std::string& column);
std::vector<std::string> columns_of_table(Database& db, const std::string& table);
// "a", "b": of the primary key, in its order.
std::vector<std::string> key_of(Database& db, const std::string& table);
// That an index or a trigger is of.
std::string table_of(Database& db, const std::string& object);

// Whether it is this node's own, knowingly.
bool is_left_out(Database& db, const std::string& table);
bool is_replicated(Database& db, const std::string& table);
// It is from now on, guarded, and its definition is agreed on.
void take_in_table(Database& db, const std::string& table);
// What is agreed on is what it is now.
void follow_table(Database& db, const std::string& table);

// Objects and their statements as sqlite_schema has them.
using SchemaTexts = std::vector<std::pair<std::string, std::string>>;
SchemaTexts schema_texts(Database& db);
// Gives these objects these statements, which must mean what theirs mean.
void set_texts(Database& db, const SchemaTexts& texts);

// An index over the rows of another table begins with those that are there.
void fill_virtual_table(Database& db, const SchemaChange& change);

void rename_table(Database& db, const SchemaChange& change);
void rename_column(Database& db, const SchemaChange& change);
void drop_column(Database& db, const SchemaChange& change);
void drop_object(Database& db, const SchemaChange& change);  // no table
void drop_table(Database& db, const SchemaChange& change);

// The CREATE TABLE statement of a table that has one more column; empty if there is none.
std::string with_column(const std::string& create_table, const SchemaChange& added);

// The same CREATE TABLE for a table of another name.
std::string with_table_name(const std::string& create_table, const std::string& name);

}  // namespace colony
