#include "tests/load/metad/http_session.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

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

  void execute(const char* sql) {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
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

std::string request(const std::string& line, const std::string& fields = "", const std::string& body = "") {
  return line + " HTTP/1.1\r\nHost: x\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

unsigned status_of(std::string_view answer) {
  return answer.size() < 12 ? 0 : static_cast<unsigned>(std::stoul(std::string(answer.substr(9, 3))));
}

TEST_F(HttpSessionTest, a_body_in_an_unknown_transfer_encoding_is_no_next_request) {
  const std::string smuggled = "DELETE /kv/s/k HTTP/1.1\r\n\r\n";
  serve(kPut);
  for (const std::string fields :
       {"Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunkedx\r\n", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"}) {
    const std::string got = serve("PUT /kv/s/other HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + smuggled);
    EXPECT_EQ(status_of(got), 501U) << fields << got;
    EXPECT_NE(got.find("Connection: close"), std::string::npos) << got;
    EXPECT_EQ(got.find("HTTP/1.1", 1), std::string::npos) << got;
    EXPECT_EQ(status_of(serve(kGet)), 200U) << fields;
  }
  const std::string chunked = "PUT /kv/s/k HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
  EXPECT_EQ(status_of(serve(chunked)), 200U);
}

TEST_F(HttpSessionTest, who_expects_to_be_told_to_go_on_is_told) {
  HttpSession session;
  std::string out;
  session.receive(*service_, "PUT /kv/s/k HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n", out);
  EXPECT_EQ(std::exchange(out, {}), "HTTP/1.1 100 Continue\r\n\r\n");
  session.receive(*service_, "hello", out);
  EXPECT_EQ(out, "");
  EXPECT_TRUE(session.is_waiting());
  EXPECT_EQ(status_of(serve(request("PUT /kv/s/k", "Expect: miracles\r\n", "v"))), 417U);
  // Who is refused anyway is not told to send 99 MB first.
  const std::string large = serve("PUT /kv/s/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_EQ(status_of(large), 413U);
}

TEST_F(HttpSessionTest, head_is_a_get_without_the_body) {
  serve(kPut);
  for (const std::string path : {"/kv/s/k", "/kv/s", "/kv/s/none", "/objects", "/healthz", "/nothing"}) {
    const std::string got = serve(request("GET " + path));
    EXPECT_EQ(serve(request("HEAD " + path)), got.substr(0, got.find("\r\n\r\n") + 4)) << path;
  }
}

TEST_F(HttpSessionTest, a_condition_is_judged_or_refused) {
  const std::string object = R"({"size":1,"sha256":"00","owner":"x"})";
  const std::string place = R"({"url":"u"})";
  serve(kPut);
  for (const std::string field : {"If-Match: \"00\"\r\n", "If-None-Match: *\r\n"}) {
    for (const std::string& refused :
         {serve(request("PUT /objects/o", field, object)), serve(request("DELETE /objects/o", field)),
          serve(request("GET /objects", field)), serve(request("PUT /placements/a/o", field, place)),
          serve(request("DELETE /placements/a/o", field)), serve(request("GET /kv/s", field))}) {
      EXPECT_EQ(status_of(refused), 400U) << refused;
      EXPECT_NE(refused.find("/kv/SPACE/KEY"), std::string::npos) << refused;
    }
  }
  for (const std::string fields : {"If-Match:\r\n", "If-None-Match:\r\n", "If-Match: \"00\"\r\nIf-Match: \"01\"\r\n",
                                   "If-None-Match: *\r\nIf-None-Match: *\r\n", "If-Match: \"00\", \"01\"\r\n",
                                   "If-Match: \"00\"\r\nIf-None-Match: *\r\n"}) {
    EXPECT_EQ(status_of(serve(request("PUT /kv/s/k", fields, "v"))), 400U) << fields;
    EXPECT_EQ(status_of(serve(request("DELETE /kv/s/k", fields))), 400U) << fields;
  }
  EXPECT_EQ(status_of(serve(request("GET /kv/s/k", "If-Match: \"00\"\r\n"))), 400U);
  EXPECT_NE(serve(kGet).find("\r\n\r\nhello"), std::string::npos);
}

TEST_F(HttpSessionTest, a_value_that_the_client_has_is_not_sent_again) {
  serve(kPut);
  const std::string got = serve(kGet);
  const std::size_t at = got.find("ETag: ") + 6;
  const std::string etag = got.substr(at, got.find("\r\n", at) - at);
  const std::string known = serve(request("GET /kv/s/k", "If-None-Match: " + etag + "\r\n"));
  EXPECT_EQ(status_of(known), 304U);
  EXPECT_EQ(known.find("hello"), std::string::npos);
  EXPECT_EQ(serve(request("GET /kv/s/k", "If-None-Match: \"00\"\r\n")), got);
}

TEST_F(HttpSessionTest, an_unknown_parameter_is_named) {
  for (const std::string line :
       {"PUT /kv/s/k?tll=5", "GET /kv/s/k?tll=5", "DELETE /kv/s/k?tll=5", "GET /kv/s?tll=5", "GET /objects/o?tll=5",
        "PUT /objects/o?tll=5", "DELETE /objects/o?tll=5", "GET /objects?tll=5", "PUT /placements/a/o?tll=5",
        "DELETE /placements/a/o?tll=5", "GET /placements/a?tll=5", "GET /holders?object=o&tll=5", "GET /healthz?tll=5",
        "GET /stats?tll=5"}) {
    const std::string got = serve(request(line));
    EXPECT_EQ(status_of(got), 400U) << line;
    EXPECT_NE(got.find("'tll'"), std::string::npos) << line << got;
  }
  EXPECT_EQ(status_of(serve(request("PUT /kv/s/k?ttl=5&ttl=6", "", "v"))), 400U);
  EXPECT_EQ(status_of(serve(request("PUT /kv/s/k?ttl=5", "", "v"))), 200U);
}

TEST_F(HttpSessionTest, an_object_that_makes_no_sense_is_refused) {
  const auto put = [this](const std::string& size, const std::string& nodes) {
    std::string placements;
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      const std::string name = nodes[at] == '-' ? "" : nodes[at] == '+' ? std::string(513, 'n') : nodes.substr(at, 1);
      placements +=
          std::string(at == 0 ? "" : ",") + R"({"node":")" + name + R"(","url":"u)" + std::to_string(at) + R"("})";
    }
    return serve(request("PUT /objects/o", "",
                         R"({"sha256":"00","owner":"x","size":)" + size + R"(,"placements":[)" + placements + "]}"));
  };
  EXPECT_EQ(status_of(put("1", "ab")), 200U);
  EXPECT_EQ(status_of(put("1", "-")), 400U);
  EXPECT_EQ(status_of(put("1", "+")), 400U);
  EXPECT_NE(put("1", "aba").find("'a' is twice"), std::string::npos);
  EXPECT_NE(put("-1", "").find("'size' is not from 0"), std::string::npos);
  EXPECT_NE(put("18446744073709551615", "").find("'size' is not from 0"), std::string::npos);
  EXPECT_NE(put("1.5", "").find("a whole number"), std::string::npos);
}

TEST_F(HttpSessionTest, what_has_expired_can_neither_be_read_nor_deleted) {
  execute("INSERT INTO kv VALUES('s', 'k', x'00', '2020-01-01T00:00:00Z')");
  EXPECT_EQ(status_of(serve(kGet)), 404U);
  EXPECT_EQ(status_of(serve(request("DELETE /kv/s/k"))), 404U);
  EXPECT_EQ(status_of(serve(kPut)), 200U);
  EXPECT_EQ(status_of(serve(request("DELETE /kv/s/k"))), 200U);
}

TEST_F(HttpSessionTest, the_latest_commits_failure_is_in_the_health) {
  std::optional<Failure> failure;
  Service service(path_, Shared{[] { return std::string("{}"); }, [] { return 0.0; }, [&] { return failure; }});
  const std::string ask = request("GET /healthz");
  EXPECT_EQ(status_of(serve_bytes(service, *writer_, ask)), 200U);
  failure = Failure{"the disk is full", "make room"};
  const std::string got = serve_bytes(service, *writer_, ask);
  EXPECT_EQ(status_of(got), 503U);
  EXPECT_NE(got.find("the disk is full"), std::string::npos);
  EXPECT_NE(got.find(R"("do":"make room")"), std::string::npos);
}

// Work of SQLite's, in hundreds of its instructions, on all connections made since.
int work = 0;
int count_work(sqlite3* db, char**, const void*) {
  sqlite3_progress_handler(
      db, 100, [](void*) { return ++work, 0; }, nullptr);
  return 0;
}

TEST_F(HttpSessionTest, a_list_by_prefix_does_not_look_behind_the_prefix) {
  execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
      "INSERT INTO objects SELECT 'z' || i, 1, '', '', '' FROM n");
  execute("INSERT INTO placements SELECT key, 'other', key, 'ready' FROM objects");
  execute("INSERT INTO kv SELECT 's', key, x'00', '2020-01-01T00:00:00Z' FROM objects");
  execute("INSERT INTO objects VALUES('y/\u00ff', 1, '', '', '')");
  execute("INSERT INTO placements VALUES('y/\u00ff', 'a', 'u', 'ready')");
  execute("INSERT INTO kv VALUES('s', 'y/\u00ff', x'61', NULL)");
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(&count_work));
  Service counted(path_, Shared{[] { return std::string("{}"); }, [] { return 0.0; }});
  sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&count_work));
  work = 0;
  for (const std::string target : {"/placements/a?prefix=y/", "/placements/a?prefix=y/%C3%BF", "/kv/s?prefix=y/"}) {
    const std::string got = serve_bytes(counted, *writer_, request("GET " + target));
    EXPECT_NE(got.find("y/\u00ff"), std::string::npos) << got;
    EXPECT_LT(work, 20) << target;
  }
  serve_bytes(counted, *writer_, request("GET /placements/other"));
  EXPECT_GT(work, 0) << "work is not counted at all";
}

}  // namespace
}  // namespace metad
