#include "watched_file.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "../memory_node.h"
#include "sqlite_ext/captured_table.h"

namespace colony::unit {

Database new_wal_database(const std::string& path, const FileForm& form, const std::string& sql) {
  std::ofstream(path, std::ios::binary);
  Database db(path, Database::Mode::kProgram);
  db.execute("PRAGMA synchronous = OFF");
  int reserved = form.reserved_bytes;
  sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  db.execute("PRAGMA page_size = " + std::to_string(form.page_bytes));
  db.execute("PRAGMA encoding = '" + form.encoding + "'");
  db.execute("PRAGMA auto_vacuum = " + form.auto_vacuum);
  db.execute("PRAGMA journal_mode = WAL");
  db.execute("PRAGMA wal_autocheckpoint = 0");
  db.execute(sql);
  return db;
}

WatchedFile::WatchedFile(const std::string& path, const FileForm& form, const std::string& sql)
    : program_(new_wal_database(path, form, sql)), reader_(path, Database::Mode::kReadWrite) {
  begin_reading();
  log_.emplace(reader_);
  Statement select(reader_, "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' ORDER BY rowid");
  while (select.step()) {
    std::optional<CapturedTable> table = load_captured_table(reader_.handle(), "main", std::string(select.text(0)));
    if (!table) continue;
    names_.emplace_back(select.text(0));
    roots_.push_back(static_cast<PageNumber>(select.integer(1)));
    decoders_.push_back(std::make_unique<RowDecoder>(std::move(*table), log_->format()));
  }
  select.reset();
  pages_.emplace(*log_, log_->wait_for_end());
  map_.build(*pages_, roots_);
  changed_.resize(names_.size());
  for (const std::string& name : names_) {
    Rows& rows = rows_.emplace_back();
    for (const std::string& row : selected_rows(name)) ++rows[row];
  }
}

void WatchedFile::begin_reading() {
  reader_.execute("BEGIN");
  reader_.query_integer("SELECT count(*) FROM sqlite_schema");
}

void WatchedFile::move_pin() {
  reader_.execute("COMMIT");
  begin_reading();
}

TreeNumber WatchedFile::tree(const std::string& table) const {
  const auto found = std::find(names_.begin(), names_.end(), table);
  if (found == names_.end()) throw Error("no table " + table + " is watched");
  return static_cast<TreeNumber>(found - names_.begin() + 1);
}

std::optional<std::string> WatchedFile::decoded(TreeNumber tree, const StoredRow* row) {
  DecodedRow decoded;
  if (row == nullptr || !decoders_[tree - std::size_t{1}]->decode(*row, decoded)) return std::nullopt;
  return shown(decoded.values);
}

int WatchedFile::take() {
  const WalEnd end = log_->wait_for_end();
  if (end.salt != pages_->salt()) pages_->begin_anew(end.salt);
  for (Rows& rows : changed_) rows.clear();
  told_ = 0;
  WrittenPages written;
  int transactions = 0;
  for (; pages_->next(end.frame, written); ++transactions) {
    PageChanges changes(*pages_, map_, written);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const auto tree = static_cast<TreeNumber>(i + 1);
      if (!changes.concerns(tree)) continue;
      changes.for_each(tree, [&](TreeNumber, const StoredRow* before, const StoredRow* after) {
        ++told_;
        if (const auto was = decoded(tree, before)) --changed_[i][*was];
        if (const auto is = decoded(tree, after)) ++changed_[i][*is];
      });
    }
    changes.settle();
    pages_->advance(written);
  }
  for (std::size_t i = 0; i < names_.size(); ++i) {
    for (const auto& [row, times] : changed_[i]) rows_[i][row] += times;
  }
  return transactions;
}

std::vector<std::string> WatchedFile::run(const std::string& sql) {
  program_.execute(sql);
  take();
  std::vector<std::string> lines;
  for (const Rows& rows : changed_) {
    for (const auto& [row, times] : rows) {
      if (times < 0) lines.push_back("- " + row);
    }
    for (const auto& [row, times] : rows) {
      if (times > 0) lines.push_back("+ " + row);
    }
  }
  return lines;
}

std::vector<std::string> WatchedFile::read_rows(const std::string& table) const {
  std::vector<std::string> rows;
  for (const auto& [row, times] : rows_[tree(table) - std::size_t{1}]) {
    if (times < 0) rows.push_back("missing: " + row);
    rows.insert(rows.end(), static_cast<std::size_t>(std::max(times, 0)), row);
  }
  return rows;
}

std::vector<std::string> WatchedFile::selected_rows(const std::string& table) {
  const CapturedTable& captured = decoders_[tree(table) - std::size_t{1}]->table();
  std::string columns;
  for (const CapturedColumn& column : captured.columns) {
    columns += (columns.empty() ? "" : ",") + quoted(column.name);
  }
  std::vector<std::string> rows;
  Statement select(program_, "SELECT " + columns + " FROM " + quoted(table));
  while (select.step()) {
    std::string row;
    bool has_key = true;
    for (int i = 0; i < select.columns(); ++i) {
      row += (i == 0 ? "" : " ") + shown(select.value(i));
      has_key &= captured.header.key[static_cast<std::size_t>(i)] == 0 || !select.is_null(i);
    }
    if (has_key) rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::string WatchedFile::difference() {
  for (const std::string& table : names_) {
    const std::vector<std::string> read = read_rows(table), selected = selected_rows(table);
    if (read == selected) continue;
    std::vector<std::string> only_read, only_selected;
    std::set_difference(read.begin(), read.end(), selected.begin(), selected.end(), std::back_inserter(only_read));
    std::set_difference(selected.begin(), selected.end(), read.begin(), read.end(), std::back_inserter(only_selected));
    std::string text = table + ":";
    for (std::size_t i = 0; i < std::min<std::size_t>(only_read.size(), 3); ++i) {
      text += "\n  only read: " + only_read[i].substr(0, 200);
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(only_selected.size(), 3); ++i) {
      text += "\n  only selected: " + only_selected[i].substr(0, 200);
    }
    return text;
  }
  return "";
}

}  // namespace colony::unit
