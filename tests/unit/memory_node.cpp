#include "tests/unit/memory_node.h"

#include <atomic>
#include <cstdio>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/capture.h"

namespace colony::unit {
namespace {

std::string escaped(std::string_view bytes, bool all) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!all && byte >= 0x20 && byte < 0x7f) {
      out += c;
      continue;
    }
    char hex[8];
    std::snprintf(hex, sizeof hex, all ? "%02x" : "\\x%02x", byte);
    out += hex;
  }
  return out;
}

std::string shown_real(double real) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", real);
  std::string out = text;
  if (out.find_first_of(".enif") == std::string::npos) out += ".0";
  return out;
}

Database made(const std::string& schema, GuardKind guard) {
  const std::string path = new_memory_path();
  Database db = open_captured(path);
  db.execute(schema);
  create_layout(db);
  choose_guard_kind(db, guard);
  replicate_all(db);
  return db;
}

void identify(Database& db, const std::string& node) {
  db.execute("INSERT OR REPLACE INTO __colony_meta VALUES('format', 1), ('cluster', 'test'), ('node', '" + node +
             "'), ('incarnation', 7), ('position', 0), ('position_hash', 0), ('absorbed', 0)");
}

}  // namespace

std::string new_memory_path() {
  static std::atomic<int> count{0};
  return "file:/unit-" + std::to_string(++count) + "?vfs=memdb";
}

std::string shown(const Value& value) {
  switch (value.type) {
    case ValueType::kUndefined:
      return ".";
    case ValueType::kInteger:
      return std::to_string(value.integer);
    case ValueType::kReal:
      return shown_real(value.real);
    case ValueType::kText:
      return "'" + escaped(value.bytes(), false) + "'";
    case ValueType::kBlob:
      return "x'" + escaped(value.bytes(), true) + "'";
    case ValueType::kNull:
      return "NULL";
  }
  return "?";
}

std::string shown(const std::vector<Value>& row) {
  std::string out;
  for (const Value& value : row) out += (out.empty() ? "" : " ") + shown(value);
  return out;
}

std::string rows(Database& db, const std::string& table) {
  std::string order;
  db.query_integer("SELECT count(*) FROM sqlite_schema");  // another connection may have changed it
  {
    const Statement probe(db, "SELECT * FROM " + table);
    for (int i = 1; i <= probe.columns(); ++i) order += (i > 1 ? "," : "") + std::to_string(i);
  }
  Statement select(db, "SELECT * FROM " + table + " ORDER BY " + order);
  std::string out;
  while (select.step()) {
    for (int i = 0; i < select.columns(); ++i) out += (i > 0 ? " " : "") + shown(select.value(i));
    out += '\n';
  }
  return out;
}

std::string shown_changes(std::string_view changeset) {
  std::string out;
  ChangesetReader reader(changeset);
  Change change;
  while (reader.next(change)) {
    out += reader.table().name;
    out += change.op == Operation::kInsert ? " +" : change.op == Operation::kDelete ? " -" : " ~";
    for (std::size_t i = 0; i < reader.table().columns(); ++i) {
      const bool both = change.op == Operation::kUpdate && change.after[i].defined();
      out += " " + shown(change.key_value(i)) + (both ? ">" + shown(change.after[i]) : "");
    }
    out += '\n';
  }
  return out;
}

std::string shown_conflicts(Conflicts& conflicts) {
  std::string out;
  conflicts.for_each([&](std::size_t, const Conflict& conflict) {
    out += std::string(to_string(conflict.kind)) + " " + conflict.table + " " + conflict.key + " " + conflict.lost;
    out += '\n';
  });
  return out;
}

std::string inverted(std::string_view changeset) {
  Spill inverse = invert(changeset, SpillSettings());
  return std::string(inverse.view());
}

std::string error_of(Database& db, const std::string& sql) {
  try {
    db.execute(sql);
    return "";
  } catch (const SqliteError&) {
    return sqlite3_errmsg(db.handle());
  }
}

Database open_captured(const std::string& path) {
  Database db(path, Database::Mode::kReadWrite);
  if (install_capture(db.handle(), *SqliteHost::get()) != SQLITE_OK) throw Error("capture cannot be installed");
  return db;
}

void put_into_mode(const std::string& path, CaptureMode mode) {
  Database db(path, Database::Mode::kReadWrite);
  if (install_capture(db.handle(), *SqliteHost::get(), std::nullopt, CaptureFor::kColony) != SQLITE_OK) {
    throw Error("capture cannot be installed");
  }
  WriteTransaction transaction(db);
  set_capture_mode(db, mode);
  transaction.commit();
}

void replicate_all(Database& db) {
  std::vector<std::string> names;
  Statement tables(db, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name");
  while (tables.step()) names.emplace_back(tables.text(0));
  tables.reset();
  for (const std::string& name : names) {
    if (name.starts_with("sqlite_") || is_own_name(name)) continue;
    Statement key(db, "SELECT max(pk) FROM pragma_table_xinfo(?1)");
    if (!key.bind(1, name).step() || key.integer(0) == 0) continue;
    key.reset();
    if (!has_guards(db, name)) create_guards(db, name);
    Statement(db, "INSERT OR IGNORE INTO __colony_tables(name) VALUES(?1)").bind(1, name).run();
  }
}

MemoryNode::MemoryNode(const std::string& schema, const std::string& node, GuardKind guard) : db_(made(schema, guard)) {
  identify(db_, node);
}

MemoryNode::MemoryNode(const ExistingFile& file) : db_(open_captured(file.path)) {}

std::vector<std::string> MemoryNode::outbox() {
  std::vector<std::string> transactions;
  Statement chunks(db_, "SELECT last, changeset FROM __colony_outbox ORDER BY piece");
  bool open = false;
  while (chunks.step()) {
    if (!open) transactions.emplace_back();
    transactions.back() += chunks.blob(1);
    open = chunks.integer(0) == 0;
  }
  return transactions;
}

std::string MemoryNode::captured(const std::string& sql) {
  const std::size_t before = outbox().size();
  run(sql);
  const std::vector<std::string> transactions = outbox();
  std::string out;
  for (std::size_t i = before; i < transactions.size(); ++i) {
    out += (i > before ? "--\n" : "") + shown_changes(transactions[i]);
  }
  return out;
}

std::string MemoryNode::changeset_of(const std::string& sql) {
  const std::size_t before = outbox().size();
  run(sql);
  const std::vector<std::string> transactions = outbox();
  if (transactions.size() > before + 1) throw Error("more than one transaction: " + sql);
  return transactions.size() == before ? std::string() : transactions.back();
}

namespace {

Database opened_for_fold(const std::string& schema, const std::string& rows) {
  MemoryNode node(schema);
  node.run(rows);
  return open_for_fold(node.path());
}

ReplicatedSchema& loaded(ReplicatedSchema& schema, Database& db) {
  schema.load(db);
  return schema;
}

}  // namespace

MemoryFold::MemoryFold(const std::string& path) : db_(open_for_fold(path)), fold_(db_, loaded(schema_, db_)) {}

MemoryFold::MemoryFold(const std::string& schema, const std::string& rows)
    : db_(opened_for_fold(schema, rows)), fold_(db_, loaded(schema_, db_)) {}

void MemoryFold::reload() {
  schema_.load(db_);
  fold_.schema_changed();
}

std::string MemoryFold::apply(std::string_view changeset) {
  Conflicts conflicts;
  WriteTransaction transaction(db_);
  fold_.apply(changeset, conflicts);
  transaction.commit();
  return shown_conflicts(conflicts);
}

std::string MemoryFold::effect_of(std::string_view changeset, Conflicts* conflicts) {
  Conflicts met;
  WriteTransaction transaction(db_);
  Spill effect = fold_.apply_recorded(changeset, met);
  transaction.commit();
  if (conflicts != nullptr) *conflicts = std::move(met);
  return std::string(effect.view());
}

std::string changeset_at_origin(const std::string& schema, const std::string& before, const std::string& sql) {
  MemoryNode origin(schema);
  origin.run(before);
  return origin.changeset_of("BEGIN;" + sql + ";COMMIT");
}

}  // namespace colony::unit
