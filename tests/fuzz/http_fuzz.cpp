// metad's HTTP surface: a client's bytes, from the parser to the commit and back.
// Whatever they are, what it answers is HTTP, and its connections go on working.
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "tests/load/metad/http_session.h"
#include "tests/load/metad/writer.h"

namespace colony::fuzz {
namespace {

// A service on a file of its own, which is empty again before each input.
class Surface {
 public:
  Surface() {
    std::string folder = (std::filesystem::temp_directory_path() / "fuzz-http-XXXXXX").string();
    require(mkdtemp(folder.data()) != nullptr, "there is a directory for temporary files");
    folder_ = folder;
    const std::string path = folder_ / "app.db";
    require(sqlite3_open(path.c_str(), &db_) == SQLITE_OK, "a database can be opened");
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
        "CREATE TABLE objects(key TEXT NOT NULL PRIMARY KEY, size, sha256, owner, modified);"
        "CREATE TABLE placements(object REFERENCES objects(key), node, url UNIQUE, state, PRIMARY KEY(object, node));"
        "CREATE TABLE kv(namespace, key, value BLOB, expires, PRIMARY KEY(namespace, key))");
    writer_ = std::make_unique<metad::Writer>(metad::WriterSettings{path, ""});
    service_ =
        std::make_unique<metad::Service>(path, metad::Shared{[] { return std::string("{}"); }, [] { return 0.0; }});
  }
  ~Surface() {
    service_.reset();
    writer_.reset();
    sqlite3_close(db_);
    std::filesystem::remove_all(folder_);
  }

  std::string serve(std::string_view bytes) {
    run("DELETE FROM placements; DELETE FROM objects; DELETE FROM kv;"
        "INSERT INTO objects VALUES('o', 1, 'aa', 'ada', '2026-01-01T00:00:00Z');"
        "INSERT INTO kv VALUES('s', 'k', x'68656c6c6f', NULL)");
    return metad::serve_bytes(*service_, *writer_, bytes);
  }

 private:
  void run(const char* sql) {
    require(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK, "the tables can be written by others");
  }

  std::filesystem::path folder_;
  sqlite3* db_ = nullptr;
  std::unique_ptr<metad::Writer> writer_;
  std::unique_ptr<metad::Service> service_;
};

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace colony::fuzz;
  static Surface surface;
  const std::string answer = surface.serve(bytes_of(data, size));
  require(answer.empty() || answer.starts_with("HTTP/1.1 "), "an answer is one of HTTP");
  return 0;
}
