// An app in C++, with SQLite linked as usual. Arguments, journal and end: see app.py.
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t stopped = 0;

struct Busy : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class Database {
 public:
  explicit Database(const char* path) {
    check(sqlite3_open(path, &db_));
    sqlite3_busy_timeout(db_, 30'000);
  }
  ~Database() { sqlite3_close(db_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void load(const char* extension) {
    sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
    check(sqlite3_load_extension(db_, extension, nullptr, nullptr));
  }
  void script(const std::string& sql) { check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr)); }
  // Runs one statement, and gives the last row's first column.
  std::string run(const std::string& sql, const std::string& app = "", std::int64_t n = 0, std::int64_t random = 0) {
    sqlite3_stmt* prepared = nullptr;
    check(sqlite3_prepare_v2(db_, sql.c_str(), -1, &prepared, nullptr));
    const std::unique_ptr<sqlite3_stmt, Finalize> statement(prepared);
    sqlite3_bind_text(prepared, sqlite3_bind_parameter_index(prepared, ":app"), app.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(prepared, sqlite3_bind_parameter_index(prepared, ":n"), n);
    sqlite3_bind_int64(prepared, sqlite3_bind_parameter_index(prepared, ":r"), random);
    std::string answer;
    int rc;
    while ((rc = sqlite3_step(prepared)) == SQLITE_ROW) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(prepared, 0));
      answer = text != nullptr ? text : "";
    }
    if (rc != SQLITE_DONE) check(rc);
    return answer;
  }
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

 private:
  void check(int rc) {
    if (rc == SQLITE_OK) return;
    const std::string what = sqlite3_errmsg(db_);
    if ((rc & 0xff) == SQLITE_BUSY) throw Busy(what);
    throw std::runtime_error(what);
  }

  sqlite3* db_ = nullptr;
};

class Journal {
 public:
  explicit Journal(const char* path) : file_(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
    if (file_ < 0) throw std::runtime_error(std::string("cannot open ") + path);
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("{\"try\":")) last_try_ = std::stoll(line.substr(7));
    }
    if (last_try_ != 0) add("");  // what a death has torn is to stay a line of its own
  }
  ~Journal() { close(file_); }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  std::int64_t last_try() const { return last_try_; }
  void add(const std::string& line) {
    const std::string bytes = line + "\n";
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t count = write(file_, bytes.data() + done, bytes.size() - done);
      if (count < 0) throw std::runtime_error("cannot write the journal");
      done += static_cast<std::size_t>(count);
    }
  }
  void sync() { fsync(file_); }

 private:
  int file_;
  std::int64_t last_try_ = 0;
};

struct Operations {
  explicit Operations(const char* path) {
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("--")) continue;
      const std::size_t bar = line.find('|');
      weights.push_back(std::stod(line.substr(0, bar)));
      statements.push_back(line.substr(bar + 1));
    }
  }
  std::vector<double> weights;
  std::vector<std::string> statements;
};

std::string content(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class App {
 public:
  App(char** arguments) : db_(arguments[0]), operations_(arguments[3]), journal_(arguments[4]), name_(arguments[5]) {
    const std::string seed = arguments[6];
    std::seed_seq sequence(seed.begin(), seed.end());
    dice_.seed(sequence);
    pause_ = std::uniform_real_distribution<>(0, 2 / std::stod(arguments[7]));
    db_.load(arguments[1]);
    db_.script("PRAGMA recursive_triggers = ON");
    db_.script(content(arguments[2]));
  }

  void run() {
    for (std::int64_t n = journal_.last_try() + 1; stopped == 0; ++n) {
      try {
        const double took_ms = transact(n);
        char line[80];
        std::snprintf(line, sizeof line, R"({"ok":%lld,"ms":%.2f})", static_cast<long long>(n), took_ms);
        journal_.add(line);
        journal_.sync();
      } catch (const Busy&) {
        if (db_.in_transaction()) db_.run("ROLLBACK");
        journal_.add("{\"no\":" + std::to_string(n) + "}");
      }
      std::this_thread::sleep_for(std::chrono::duration<double>(pause_(dice_)));
    }
  }

 private:
  double transact(std::int64_t n) {
    std::discrete_distribution<std::size_t> choice(operations_.weights.begin(), operations_.weights.end());
    db_.run("BEGIN IMMEDIATE");
    db_.run("INSERT INTO made VALUES(:app, :n)", name_, n);
    db_.run("INSERT INTO counters VALUES(:app, 1) ON CONFLICT(app) DO UPDATE SET value = value + 1", name_, n);
    for (auto count = 1 + dice_() % 4; count > 0; --count) {
      db_.run(operations_.statements[choice(dice_)], name_, n, dice_() >> 1);
    }
    const std::string changes = db_.run("SELECT changes FROM recorded");
    db_.run("DELETE FROM record");
    journal_.add("{\"try\":" + std::to_string(n) + ",\"changes\":" + changes + "}");
    const Clock::time_point begin = Clock::now();
    db_.run("COMMIT");
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  }

  Database db_;
  Operations operations_;
  Journal journal_;
  std::string name_;
  std::mt19937 dice_;
  std::uniform_real_distribution<> pause_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 9) {
    std::cerr << "app: DB EXTENSION RECORD OPERATIONS JOURNAL NAME SEED PER_SECOND\n";
    return 2;
  }
  std::signal(SIGTERM, [](int) { stopped = 1; });
  try {
    App(arguments + 1).run();
  } catch (const std::exception& error) {
    std::cerr << "app: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
