#include "replicator/migrate/migration.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include "replicator/fold/column_mapping.h"
#include "replicator/fold/fold.h"
#include "replicator/fold/schema_statements.h"
#include "replicator/fold/table_fates.h"
#include "replicator/log/error.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"
#include "replicator/store/noted_schema.h"
#include "replicator/wal/own_transaction.h"
#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/layout_log.h"
#include "sqlite_ext/outbox_writer.h"
#include "sqlite_ext/schema_difference.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/table_history.h"

extern char** environ;

namespace colony {
namespace {

constexpr int kLockWaitMs = 60'000;

std::string new_folder_beside(const std::string& database) {
  std::string name = std::filesystem::absolute(database).string() + "-colony-migrate-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw Error("cannot make a folder beside " + database);
  return name;
}

// The migrated copy has nothing of Colony's: the tables to compare are told to it.
void name_tables(Database& copy, const std::vector<std::string>& tables) {
  copy.execute("CREATE TEMP TABLE __colony_tables(name TEXT PRIMARY KEY, definition TEXT NOT NULL DEFAULT '')");
  Statement insert(copy, "INSERT INTO temp.__colony_tables(name) VALUES(?1)");
  for (const std::string& table : tables) insert.bind(1, table).run();
}

// The beginning of a statement, without comments.
std::string in_one_line(const char* begin, const char* end) {
  constexpr std::size_t kMax = 200;
  std::string text;
  for (const SqlToken& token : sql_tokens({begin, end})) {
    const bool is_next_to = !text.empty() && token.text.data() == begin;
    text += (text.empty() || is_next_to ? "" : " ") + std::string(token.text);
    begin = token.text.data() + token.text.size();
  }
  return text.size() > kMax ? text.substr(0, kMax) + "..." : text;
}

std::string replaced(std::string word, const std::string& path) {
  for (std::size_t at = 0; (at = word.find("{}", at)) != word.npos; at += path.size()) word.replace(at, 2, path);
  return word;
}

struct Traced {
  TableHistory& history;

  static int on_trace(unsigned, void* context, void*, void* text) noexcept {
    TableHistory& history = static_cast<Traced*>(context)->history;
    history.settle();
    if (auto statement = table_statement(static_cast<const char*>(text))) history.begin(std::move(*statement));
    return 0;
  }
};

}  // namespace

MigrationRehearsal::MigrationRehearsal(const std::string& database, const GoOn& go_on, const BeginRead& begin)
    : folder_(new_folder_beside(database)), base_(folder_ + "/before.db"), copy_(folder_ + "/migrated.db") {
  try {
    for (const std::string& file : {base_, copy_}) std::ofstream(file, std::ios::binary);
    copy_pages(database, base_, go_on, begin);
    {
      Database db(base_, Database::Mode::kReadWrite);
      if (!has_layout(db)) throw Error(database + " does not belong to a colony: run the migration on the file itself");
      upgrade_layout(db);
      schema_version_ = Database(database, Database::Mode::kReadOnly).query_integer("PRAGMA schema_version");
    }
    copy_pages(base_, copy_, go_on);
    make_plain(copy_);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    throw;
  }
}

MigrationRehearsal::~MigrationRehearsal() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void MigrationRehearsal::run_sql(const std::string& sql) {
  Database db(copy_, Database::Mode::kReadWrite);
  const SchemaObjects before = schema_objects(db);
  TableHistory history(db.handle(), "main");
  Traced traced{history};
  sqlite3_trace_v2(db.handle(), SQLITE_TRACE_STMT, Traced::on_trace, &traced);
  const char* rest = sql.c_str();
  while (*rest != '\0') {
    sqlite3_stmt* statement = nullptr;
    const char* const begin = rest;
    int rc = sqlite3_prepare_v2(db.handle(), rest, -1, &statement, &rest);
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> owner(statement, sqlite3_finalize);
    while (rc == SQLITE_OK && statement != nullptr && (rc = sqlite3_step(statement)) == SQLITE_ROW) rc = SQLITE_OK;
    if (rc == SQLITE_OK || rc == SQLITE_DONE) continue;
    throw Error(std::string("the migration fails, and nothing was changed: ") + sqlite3_errmsg(db.handle()) +
                ", in: " + in_one_line(begin, statement == nullptr ? begin + std::strcspn(begin, ";") : rest));
  }
  if (db.in_transaction()) throw Error("the migration begins a transaction and does not end it: add COMMIT");
  history.settle();
  sqlite3_trace_v2(db.handle(), 0, nullptr, nullptr);
  fates_ = fates_of(before, history);
  fates_known_ = true;
}

void MigrationRehearsal::run_command(const std::vector<std::string>& words) {
  std::vector<std::string> all;
  for (const std::string& word : words) all.push_back(replaced(word, copy_));
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  setenv("COLONY_DATABASE", copy_.c_str(), 1);
  pid_t child = 0;
  if (const int rc = posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ); rc != 0) {
    throw Error("cannot run " + all.front() + ": " + std::string(std::strerror(rc)));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  throw Error(all.front() +
              (WIFEXITED(status) ? " ended with exit code " + std::to_string(WEXITSTATUS(status))
                                 : std::string(" was killed")) +
              ": nothing was changed");
}

Migration MigrationRehearsal::compare() {
  Migration migration;
  migration.schema_version = schema_version_;
  Database base = open_for_fold(base_), copy(copy_, Database::Mode::kReadWrite);
  const SchemaObjects before = schema_objects(base), after = schema_objects(copy);
  const std::map<std::string, TableFate> fates = fates_known_ ? fates_ : guessed_fates(before, after);
  try {
    migration.changes = difference(before, after, fates);
  } catch (const SchemaDifferenceError& error) {
    throw Error("table " + error.table() + " " + error.what() + ": nothing was changed");
  }
  fill_new_columns(base, copy, migration.changes);
  const std::string section = encoded(migration.changes, count_layouts(base.handle(), "main"));
  migration.changeset = Spill(spill_beside(base_.c_str()));
  migration.changeset.append(section);

  ReplicatedSchema schema, migrated;
  schema.load(base);
  Fold fold(base, schema);
  Conflicts conflicts(base.spill());
  WriteTransaction transaction(base);
  fold.apply(section, conflicts);
  name_tables(copy, replicated_tables(base));
  ReadTransaction reading(copy);
  migrated.load(copy);
  RowDifferences rows(copy, migrated, base, schema, {});
  rows.compare([] {});
  for (const DifferingRows& of_table : rows.count()) {
    if (of_table.rows() > 0) migration.rows.push_back(of_table);
  }
  Spill changes(base.spill());
  migration.shape = rows.write_changeset(changes);
  Spill named = with_column_names(migrated, changes, base.spill());
  migration.changeset.append(named);
  return migration;
}

ChunkNumber put_into(const std::string& database, Migration& migration) {
  Database db = open_for_fold(database);
  db.wait_for_locks([](int waited_ms) { return waited_ms < kLockWaitMs; });
  NodeFile file(db);
  const std::unique_ptr<WalCapture> capture = capture_of(database);
  OwnTransaction transaction(db, capture.get());
  if (db.query_integer("PRAGMA schema_version") != migration.schema_version) {
    throw Error(database + " has got another schema meanwhile: run the migration again");
  }
  ReplicatedSchema schema;
  schema.load(db);
  Fold fold(db, schema);
  Conflicts conflicts(file.spill());
  Spill effect = fold.apply_recorded(migration.changeset, conflicts, migration.shape);
  COLONY_STEP("migrate.applied");
  OutboxWriter outbox(db.handle(), "main");
  outbox.write(migration.changeset.view(), migration.shape);
  const ChunkNumber first(static_cast<std::uint64_t>(outbox.first_written())), last = file.outbox_end();
  if (!Spill::equal(effect, migration.changeset)) {
    Spill named = with_column_names(schema, effect, file.spill());
    file.set_effect(first, last, named);
  }
  if (!conflicts.empty()) {
    ConflictJournal(db).add(Sequence(), file.identity().node, last, conflicts, file.conflicts_max());
  }
  if (!migration.changes.empty()) file.set_unconfirmed(first);
  COLONY_STEP("migrate.queued");
  transaction.commit(OwnTransaction::Tables::kMayBeOthers);
  COLONY_STEP("migrate.committed");
  return last;
}

}  // namespace colony
