#include "sqlite_ext/schema_change.h"

#include <algorithm>
#include <optional>

#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

constexpr std::uint64_t kVersion = 1;

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

std::string take_text(std::string_view& bytes) {
  const std::uint64_t size = take_varint(bytes);
  if (size > bytes.size()) throw ChangesetError("changeset ends in the middle of a schema change");
  const std::string text(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return text;
}

constexpr auto kTexts = {&SchemaChange::type, &SchemaChange::name, &SchemaChange::column,
                         &SchemaChange::sql,  &SchemaChange::to,   &SchemaChange::former};

SchemaChange take_change(std::string_view& bytes) {
  SchemaChange change;
  const std::uint64_t kind = take_varint(bytes);
  if (kind < 1 || kind > static_cast<std::uint64_t>(SchemaChange::Kind::kReplace)) {
    throw ChangesetError("changeset has a schema change of an unknown kind");
  }
  change.kind = static_cast<SchemaChange::Kind>(kind);
  for (const auto text : kTexts) change.*text = take_text(bytes);
  for (std::uint64_t count = take_varint(bytes); count > 0; --count) {
    std::string column = take_text(bytes), value = take_text(bytes);
    change.fills.emplace_back(std::move(column), std::move(value));
  }
  return change;
}

void append_change(std::string& out, const SchemaChange& change) {
  append_varint(out, static_cast<std::uint64_t>(change.kind));
  for (const auto text : kTexts) append_text(out, change.*text);
  append_varint(out, change.fills.size());
  for (const auto& [column, value] : change.fills) {
    append_text(out, column);
    append_text(out, value);
  }
}

bool is_same(const SqlToken& a, const SqlToken& b) {
  const bool may_be_name = a.kind != SqlToken::Kind::kOther && b.kind != SqlToken::Kind::kOther;
  const bool is_string = a.text.front() == '\'' || b.text.front() == '\'';
  if (may_be_name && !is_string) return folded_name(a.name()) == folded_name(b.name());
  return a.text == b.text;
}

bool is_unique_index(const std::string& create_index) {
  const std::vector<SqlToken> tokens = sql_tokens(create_index);
  return tokens.size() > 1 && tokens[1].is("UNIQUE");
}

bool makes_unique_index(const SchemaChange& change) {
  const bool makes = change.kind == SchemaChange::Kind::kCreate || change.kind == SchemaChange::Kind::kReplace;
  return makes && change.type == "index" && is_unique_index(change.sql);
}

// Whether rows that are there cannot do without a value that SQLite does not have for them.
bool needs_value(const std::string& definition) {
  const std::vector<SqlToken> tokens = sql_tokens(definition);
  bool not_null = false, has_default = false;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    not_null |= tokens[i].is("NOT") && tokens[i + 1].is("NULL");
    has_default |= tokens[i].is("DEFAULT") && !tokens[i + 1].is("NULL") && !tokens[i + 1].is('(') &&
                   !tokens[i + 1].is("CURRENT_TIMESTAMP") && !tokens[i + 1].is("CURRENT_DATE") &&
                   !tokens[i + 1].is("CURRENT_TIME");
  }
  return not_null && !has_default;
}

}  // namespace

bool leaves_rows_alone(const SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  switch (change.kind) {
    case Kind::kCreate:
    case Kind::kDrop:
    case Kind::kReplace:
      if (change.type == "index") return !is_unique_index(change.sql) && !is_unique_index(change.former);
      return change.type != "table" || change.kind == Kind::kCreate;
    case Kind::kAddColumn:
      return !needs_value(change.sql);
    default:
      return false;
  }
}

bool leave_rows_alone(const SchemaChanges& changes) {
  return std::all_of(changes.begin(), changes.end(),
                     [](const SchemaChange& change) { return leaves_rows_alone(change); });
}

SchemaChanges before_rows(const SchemaChanges& changes) {
  SchemaChanges before;
  for (const SchemaChange& change : changes) {
    if (!makes_unique_index(change)) {
      before.push_back(change);
    } else if (change.kind == SchemaChange::Kind::kReplace) {
      before.push_back({SchemaChange::Kind::kDrop, change.type, change.name, "", change.former, "", ""});
    }
  }
  return before;
}

SchemaChanges after_rows(const SchemaChanges& changes) {
  SchemaChanges after;
  for (const SchemaChange& change : changes) {
    if (!makes_unique_index(change)) continue;
    after.push_back({SchemaChange::Kind::kCreate, change.type, change.name, "", change.sql, "", ""});
  }
  return after;
}

std::string encoded(const SchemaChanges& changes, std::uint64_t known) {
  if (changes.empty()) return "";
  std::string content;
  append_varint(content, kVersion);
  append_varint(content, known);
  append_varint(content, changes.size());
  for (const SchemaChange& change : changes) append_change(content, change);
  std::string section(1, kSchemaSection);
  append_text(section, content);
  return section;
}

bool begins_with_schema(std::string_view changeset) { return changeset.starts_with(kSchemaSection); }

SchemaAndRows split_schema(ChangesetView changeset) {
  SchemaAndRows parts{{}, {}, 0, changeset};
  std::string_view& rest = parts.rows.bytes;
  if (rest.starts_with(kBeforeSection)) {
    rest.remove_prefix(1);
    const std::uint64_t size = take_varint(rest);
    if (size > rest.size()) throw ChangesetError("changeset ends in the middle of its first rows");
    parts.before = rest.substr(0, size);
    rest.remove_prefix(size);
  }
  if (!begins_with_schema(rest)) return parts;
  rest.remove_prefix(1);
  const std::string content = take_text(rest);
  std::string_view bytes = content;
  if (take_varint(bytes) != kVersion) {
    throw ChangesetError("changeset has schema changes of another version: upgrade colony on this machine");
  }
  parts.known = take_varint(bytes);
  for (std::uint64_t count = take_varint(bytes); count > 0; --count) parts.schema.push_back(take_change(bytes));
  if (!bytes.empty()) throw ChangesetError("changeset has more than its schema changes");
  return parts;
}

std::string column_definition(std::string_view create_table, const std::string& column) {
  const std::vector<SqlToken> tokens = sql_tokens(create_table);
  const std::string wanted = folded_name(column);
  int depth = 0;
  std::optional<std::size_t> begin;  // of the definition at hand
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool ends = depth == 1 && (tokens[i].is(',') || tokens[i].is(')'));
    if (ends && begin && *begin < i && folded_name(tokens[*begin].name()) == wanted) {
      const char* const from = tokens[*begin].text.data();
      const std::string_view last = tokens[i - 1].text;
      return {from, last.data() + last.size()};
    }
    depth += tokens[i].is('(') ? 1 : tokens[i].is(')') ? -1 : 0;
    if (depth == 1 && (tokens[i].is(',') || (!begin && tokens[i].is('(')))) begin = i + 1;
  }
  return "";
}

bool same_statement(std::string_view a, std::string_view b) {
  const std::vector<SqlToken> here = sql_tokens(a), there = sql_tokens(b);
  return std::equal(here.begin(), here.end(), there.begin(), there.end(), is_same);
}

}  // namespace colony
