#include "tests/load/metad/http_session.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/load/generator/http_target.h"
#include "tests/load/metad/writer.h"

namespace metad {
namespace {

class HttpSessionTest : public testing::Test {
 protected:
  HttpSessionTest() {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    sqlite3_exec(
        db,
        "PRAGMA journal_mode = WAL; CREATE TABLE objects(key TEXT NOT NULL PRIMARY KEY, size, sha256, owner, "
        "modified); CREATE TABLE placements(object REFERENCES objects(key), node, url UNIQUE, state, PRIMARY "
        "KEY(object, node)); CREATE TABLE kv(namespace, key, value BLOB, expires, PRIMARY KEY(namespace, key))",
        nullptr, nullptr, nullptr);
    sqlite3_close(db);
    writer_.emplace(WriterSettings{path_, ""});
    service_.emplace(path_, Shared{[] { return std::string("{}"); }, [] { return 0.0; }});
  }
  ~HttpSessionTest() override { std::filesystem::remove_all(folder_); }

  std::string serve(std::string_view bytes) { return serve_bytes(*service_, *writer_, bytes); }

  std::string folder_ = [] {
    std::string name = (std::filesystem::temp_directory_path() / "metad-XXXXXX").string();
    return std::string(mkdtemp(name.data()));
  }();
  std::string path_ = folder_ + "/app.db";
  std::optional<Writer> writer_;
  std::optional<Service> service_;
};

constexpr std::string_view kPut = "PUT /kv/s/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view kGet = "GET /kv/s/k HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpSessionTest, a_value_is_read_as_it_was_written) {
  const std::string got = serve(std::string(kPut) + std::string(kGet));
  load::Answer answer;
  std::string_view rest = got;
  const std::size_t first = load::parse_answer(rest, answer);
  EXPECT_EQ(answer.status, 200U);
  const std::uint64_t etag = answer.etag;
  rest.remove_prefix(first);
  EXPECT_EQ(load::parse_answer(rest, answer), rest.size());
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.etag, etag);
}

TEST_F(HttpSessionTest, pieces_of_any_size_are_as_good_as_the_whole) {
  for (std::size_t size = 1; size < kPut.size(); ++size) {
    HttpSession session;
    std::string out;
    for (std::size_t at = 0; at < kPut.size(); at += size) session.receive(*service_, kPut.substr(at, size), out);
    EXPECT_TRUE(session.is_waiting()) << size;
    EXPECT_TRUE(std::holds_alternative<PutValue>(session.take_write().value()));
    EXPECT_EQ(out, "");
  }
}

TEST_F(HttpSessionTest, what_follows_a_write_waits_for_its_answer) {
  HttpSession session;
  std::string out;
  session.receive(*service_, std::string(kPut) + "GET /healthz HTTP/1.1\r\n\r\n", out);
  EXPECT_EQ(out, "");
  session.answer(*service_, {412}, out);
  EXPECT_EQ(out.find("HTTP/1.1 412"), 0U);
  EXPECT_NE(out.find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(HttpSessionTest, a_session_between_requests_keeps_nothing) {
  HttpSession session;
  std::string out;
  session.receive(*service_, kGet, out);
  EXPECT_FALSE(session.is_in_request());
  session.receive(*service_, kGet.substr(0, 9), out);
  EXPECT_TRUE(session.is_in_request());
}

TEST_F(HttpSessionTest, no_bytes_bring_it_down) {
  for (std::size_t cut = 0; cut < kPut.size(); ++cut) {
    for (const char byte : {'\0', '\r', '\n', ' ', '%', ':', '\x7f', '\xff'}) {
      std::string bytes(kPut);
      bytes[cut] = byte;
      const std::string got = serve(bytes);
      EXPECT_TRUE(got.empty() || got.find("HTTP/1.1 ") == 0) << cut;
    }
  }
}

TEST_F(HttpSessionTest, an_answer_that_came_in_part_is_waited_for) {
  const std::string got = serve(kPut);
  load::Answer answer;
  for (std::size_t size = 0; size < got.size(); ++size) {
    EXPECT_EQ(load::parse_answer(std::string_view(got).substr(0, size), answer), 0U);
  }
  EXPECT_EQ(load::parse_answer(got, answer), got.size());
  EXPECT_NE(answer.etag, 0U);
}

}  // namespace
}  // namespace metad
