#include "sqlite_ext/table_definition.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <utility>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

constexpr const char* kCannotRead = "cannot read a table's definition";
constexpr int kHidden = 1;  // a column of a virtual table; table_xinfo's `hidden`

StatementHandle prepare(sqlite3* db, const std::string& sql, const std::string& first = {},
                        const std::string& second = {}) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  sqlite3_bind_text(statement, 1, first.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(statement, 2, second.c_str(), -1, SQLITE_TRANSIENT);
  return StatementHandle(statement);
}

bool step(sqlite3* db, const StatementHandle& statement) {
  const int rc = sqlite3_step(statement.get());
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) throw_record_error(db, kCannotRead);
  return rc == SQLITE_ROW;
}

std::string text(const StatementHandle& statement, int column) {
  const auto* value = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), column));
  return value == nullptr ? std::string() : std::string(value);
}

// An item is a line: what a name or an expression has of line ends must not be one.
std::string one_line(const std::string& value) {
  std::string line;
  for (const char c : value) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\\') {
      line += "\\\\";
    } else {
      line += c;
    }
  }
  return line;
}

std::string upper(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value;
}

std::string column_line(const StatementHandle& info) {
  const int hidden = sqlite3_column_int(info.get(), 6);
  std::string line = "column " + one_line(quoted(text(info, 1))) + " type=" + one_line(upper(text(info, 2)));
  if (const int key = sqlite3_column_int(info.get(), 5); key != 0) line += " key=" + std::to_string(key);
  if (sqlite3_column_int(info.get(), 3) != 0) line += " notnull";
  if (hidden > kHidden) line += " generated";
  if (sqlite3_column_type(info.get(), 4) != SQLITE_NULL) line += " default=" + one_line(text(info, 4));
  return line;
}

std::vector<std::string> lines_of(const std::string& definition, const char* kind) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (begin < definition.size()) {
    std::size_t end = definition.find('\n', begin);
    if (end == std::string::npos) end = definition.size();
    const std::string line = definition.substr(begin, end - begin);
    if (line.starts_with(kind)) lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

// The column's quoted name, of a line.
std::string name_in(const std::string& line) {
  const std::size_t begin = line.find('"');
  std::size_t end = begin + 1;
  while (end < line.size() && (line[end] != '"' || (end + 1 < line.size() && line[end + 1] == '"'))) {
    end += line[end] == '"' ? 2 : 1;
  }
  return line.substr(begin + 1, end - begin - 1);
}

std::string attributes_in(const std::string& line) {
  const std::size_t begin = line.find('"');
  return line.substr(begin + name_in(line).size() + 2);
}

bool has_name(const std::vector<std::string>& lines, const std::string& name) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return name_in(line) == name; });
}

// Why rows that lack this added column could come to differ; empty if they could not.
std::string trouble_with_added(const std::string& line) {
  const std::string attributes = attributes_in(line);
  if (attributes.find(" generated") != std::string::npos) return "";
  const std::size_t at = attributes.find(" default=");
  if (at != std::string::npos && !is_constant_default(attributes.substr(at + 9))) {
    return "column " + name_in(line) + " was added with a default that is not a constant";
  }
  if (at == std::string::npos && attributes.find(" notnull") != std::string::npos) {
    return "column " + name_in(line) + " was added with NOT NULL and no default";
  }
  return "";
}

std::string difference_of_columns(const std::vector<std::string>& agreed, const std::vector<std::string>& now) {
  for (const std::string& line : agreed) {
    if (!has_name(now, name_in(line))) return "column " + name_in(line) + " is gone";
  }
  for (std::size_t i = 0; i < agreed.size(); ++i) {
    if (agreed[i] == now[i]) continue;
    if (name_in(agreed[i]) != name_in(now[i])) return "its columns are in another order";
    return "column " + name_in(agreed[i]) + " has another definition";
  }
  return "";
}

std::string difference_of_unique(const std::vector<std::string>& agreed, const std::vector<std::string>& now) {
  for (const std::string& line : now) {
    if (std::find(agreed.begin(), agreed.end(), line) == agreed.end()) return "it has a new constraint: " + line;
  }
  for (const std::string& line : agreed) {
    if (std::find(now.begin(), now.end(), line) == now.end()) return "a constraint is gone: " + line;
  }
  return "";
}

// `unique key ("id" BINARY)` for people: PRIMARY KEY(id).
std::string constraint(const std::string& line) {
  const bool is_key = line.starts_with("unique key ");
  std::string text = is_key ? "PRIMARY KEY" : "UNIQUE";
  const std::size_t as = line.find(") as ");
  if (as != std::string::npos) return text + line.substr(as + 5);
  text += line.substr(line.find('('));
  for (std::size_t at = 0; (at = text.find(" BINARY", at)) != std::string::npos;) text.erase(at, 7);
  for (const char* collation : {" NOCASE", " RTRIM"}) {
    for (std::size_t at = 0; (at = text.find(collation, at)) != std::string::npos; at += 9) text.insert(at, " COLLATE");
  }
  text.erase(std::remove(text.begin(), text.end(), '"'), text.end());
  return text;
}

}  // namespace

DefinitionReader::DefinitionReader(sqlite3* db, std::string schema, const std::string& only)
    : db_(db), schema_(std::move(schema)) {
  const std::string list = only.empty() ? "pragma_table_list" : "pragma_table_list(?2)";
  const StatementHandle kinds =
      prepare(db_, "SELECT name, wr, strict FROM " + list + " WHERE schema = ?1 COLLATE NOCASE AND type = 'table'",
              schema_, only);
  while (step(db_, kinds)) {
    std::string kind = "table";
    if (sqlite3_column_int(kinds.get(), 1) != 0) kind += " without_rowid";
    if (sqlite3_column_int(kinds.get(), 2) != 0) kind += " strict";
    kinds_.emplace(text(kinds, 0), std::move(kind));
  }
}

std::optional<std::string> DefinitionReader::read(const std::string& name) {
  const auto kind = kinds_.find(name);
  if (kind == kinds_.end()) return std::nullopt;
  std::string definition = kind->second;
  const StatementHandle info = prepare(db_, "PRAGMA " + quoted(schema_) + ".table_xinfo(" + quoted(name) + ")");
  while (step(db_, info)) definition += "\n" + column_line(info);

  std::vector<std::string> unique;
  const StatementHandle indexes = prepare(db_, "PRAGMA " + quoted(schema_) + ".index_list(" + quoted(name) + ")");
  while (step(db_, indexes)) {
    if (sqlite3_column_int(indexes.get(), 2) == 0) continue;
    unique.push_back(
        unique_line(text(indexes, 1), text(indexes, 3) == "pk", sqlite3_column_int(indexes.get(), 4) != 0));
  }
  // Their names and their order mean nothing, and twice is as good as once.
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  for (const std::string& line : unique) definition += "\n" + line;
  return definition;
}

std::string DefinitionReader::unique_line(const std::string& index, bool primary, bool partial) {
  std::string line = std::string("unique ") + (primary ? "key " : "") + "(";
  bool opaque = partial;
  const StatementHandle columns = prepare(db_, "PRAGMA " + quoted(schema_) + ".index_xinfo(" + quoted(index) + ")");
  std::string separator;
  while (step(db_, columns)) {
    if (sqlite3_column_int(columns.get(), 5) == 0) continue;  // no part of the key
    const bool is_expression = sqlite3_column_int(columns.get(), 1) == -2;
    opaque |= is_expression;
    line += separator + (is_expression ? std::string("expression") : quoted(text(columns, 2))) + " " +
            upper(text(columns, 4));
    separator = ", ";
  }
  line += ")";
  if (opaque) line += " as " + index_sql_after_on(index);
  return one_line(line);
}

// The WHERE clause of a partial index and the expressions of one over expressions can be
// had as text only: all that comes after ON.
std::string DefinitionReader::index_sql_after_on(const std::string& index) {
  if (!index_sql_known_) {
    const StatementHandle all = prepare(
        db_, "SELECT name, sql FROM " + quoted(schema_) + ".sqlite_schema WHERE type = 'index' AND sql NOTNULL");
    while (step(db_, all)) index_sql_.emplace(text(all, 0), text(all, 1));
    index_sql_known_ = true;
  }
  const auto found = index_sql_.find(index);
  const std::size_t open = found == index_sql_.end() ? std::string::npos : found->second.find('(');
  return open == std::string::npos ? "" : found->second.substr(open);
}

std::optional<std::string> read_table_definition(sqlite3* db, const std::string& schema, const std::string& name) {
  return DefinitionReader(db, schema, name).read(name);
}

std::vector<std::string> column_names(const std::string& definition) {
  std::vector<std::string> names;
  for (const std::string& line : lines_of(definition, "column ")) {
    if (attributes_in(line).find(" generated") == std::string::npos) names.push_back(name_in(line));
  }
  return names;
}

DefinitionVerdict judge_definition(const std::string& agreed, const std::string& now) {
  if (agreed == now) return {};
  if (lines_of(agreed, "table") != lines_of(now, "table")) {
    return {DefinitionChange::kOther, "it is another kind of table (STRICT, WITHOUT ROWID)"};
  }
  const std::vector<std::string> columns = lines_of(agreed, "column "), columns_now = lines_of(now, "column ");
  if (const std::string what = difference_of_columns(columns, columns_now); !what.empty()) {
    return {DefinitionChange::kOther, what};
  }
  if (const std::string what = difference_of_unique(lines_of(agreed, "unique "), lines_of(now, "unique "));
      !what.empty()) {
    return {DefinitionChange::kOther, what};
  }
  for (std::size_t i = columns.size(); i < columns_now.size(); ++i) {
    if (const std::string what = trouble_with_added(columns_now[i]); !what.empty()) {
      return {DefinitionChange::kOther, what};
    }
  }
  return {DefinitionChange::kExtended, "column " + name_in(columns_now.back()) + " was added"};
}

std::vector<std::string> definition_differences(const std::string& agreed, const std::string& now) {
  std::vector<std::string> differences;
  if (lines_of(agreed, "table") != lines_of(now, "table")) {
    differences.emplace_back("it is another kind of table (STRICT, WITHOUT ROWID)");
  }
  const std::vector<std::string> columns = lines_of(agreed, "column "), columns_now = lines_of(now, "column ");
  std::vector<std::string> kept, kept_now;  // names, in their order
  for (const std::string& line : columns) {
    if (has_name(columns_now, name_in(line))) {
      kept.push_back(name_in(line));
    } else {
      differences.push_back("column " + name_in(line) + " is gone");
    }
  }
  for (const std::string& line : columns_now) {
    const auto same = std::find_if(columns.begin(), columns.end(),
                                   [&](const std::string& other) { return name_in(other) == name_in(line); });
    if (same == columns.end()) {
      const std::string trouble = trouble_with_added(line);
      differences.push_back(trouble.empty() ? "column " + name_in(line) + " is new" : trouble);
      continue;
    }
    kept_now.push_back(name_in(line));
    if (*same != line) differences.push_back("column " + name_in(line) + " has another definition");
  }
  if (kept != kept_now) differences.emplace_back("its columns are in another order");
  const std::vector<std::string> unique = lines_of(agreed, "unique "), unique_now = lines_of(now, "unique ");
  for (const std::string& line : unique_now) {
    if (std::find(unique.begin(), unique.end(), line) == unique.end())
      differences.push_back(constraint(line) + " is new");
  }
  for (const std::string& line : unique) {
    if (std::find(unique_now.begin(), unique_now.end(), line) == unique_now.end()) {
      differences.push_back(constraint(line) + " is gone");
    }
  }
  return differences;
}

bool is_constant_default(const std::string& default_sql) {
  std::string value = default_sql;
  const auto strip = [&] {
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) value.erase(0, 1);
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) value.pop_back();
  };
  strip();
  while (value.size() >= 2 && value.front() == '(' && value.back() == ')') {
    value = value.substr(1, value.size() - 2);
    strip();
  }
  while (!value.empty() && (value.front() == '+' || value.front() == '-')) {
    value.erase(0, 1);
    strip();
  }
  if (value.empty()) return false;
  // 'text' or "text", up to its closing quote and no further; or x'0f'.
  const std::size_t quote =
      (value.front() == 'x' || value.front() == 'X') && value.size() > 1 && value[1] == '\'' ? 1 : 0;
  if (value[quote] == '\'' || value[quote] == '"') {
    for (std::size_t i = quote + 1; i < value.size(); ++i) {
      if (value[i] != value[quote]) continue;
      if (i + 1 < value.size() && value[i + 1] == value[quote]) {
        ++i;
        continue;
      }
      return i + 1 == value.size();
    }
    return false;
  }
  const std::string word = upper(value);
  if (word == "NULL" || word == "TRUE" || word == "FALSE") return true;
  if (!std::isdigit(static_cast<unsigned char>(value.front())) && value.front() != '.') return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool is_sign_of_exponent = (word[i] == '+' || word[i] == '-') && i > 0 && word[i - 1] == 'E';
    if (!std::isxdigit(static_cast<unsigned char>(word[i])) && word[i] != '.' && word[i] != 'X' && word[i] != '_' &&
        !is_sign_of_exponent) {
      return false;
    }
  }
  return true;
}

}  // namespace colony
