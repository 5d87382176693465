// seeds DIRECTORY: writes DIRECTORY/<target>/<name>, valid inputs for each fuzzer to
// begin with, in the formats of today.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "replicator/broker/object_meta.h"
#include "replicator/log/entry.h"
#include "replicator/snapshot_store/snapshot_file.h"
#include "replicator/snapshot_store/snapshot_name.h"
#include "tests/fuzz/sample.h"
#include "tests/unit/memory_node.h"

namespace colony::fuzz {
namespace {

class Seeds {
 public:
  explicit Seeds(std::filesystem::path root) : root_(std::move(root)) {}

  void add(const std::string& target, const std::string& bytes) {
    std::filesystem::create_directories(root_ / target);
    std::ofstream file(root_ / target / ("seed-" + std::to_string(++count_)), std::ios::binary);
    file << bytes;
    if (!file.flush()) throw Error("cannot write to " + (root_ / target).string());
  }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
  int count_ = 0;
};

void add_changesets(Seeds& seeds) {
  for (const char* const transaction : kSampleTransactions) {
    unit::MemoryNode node(kSampleSchema);
    node.run(kSampleRows);
    const std::string changeset = node.changeset_of(transaction);
    seeds.add("changeset", changeset);
    seeds.add("fold", changeset);
    seeds.add("entry", encode("a", Incarnation(7), TransactionsEntry{ChunkNumber(1), {{true, 5, changeset}}}));
  }
}

void add_entries(Seeds& seeds) {
  const auto add = [&](const EntryBody& body) { seeds.add("entry", encode("node-b", Incarnation(99), body)); };
  add(HelloEntry{"host", "/srv/b.db", "0.1.0"});
  add(BarrierEntry{42});
  add(ProofEntry{42, Sequence(17), 1, {{"objects", 3, 4}, {"odd names", 5, 6}}});
  add(QuestionEntry{43, CheckKind::kBegins, {{"objects", 3, 4, "low", "high"}, {"odd names", 5, 6, "", ""}}});
  add(LeaveEntry{"c", Incarnation(8)});
  add(TransactionsEntry{ChunkNumber(3), {{false, 1, "first half"}, {true, 1, std::string(400, 'x')}}});
}

void add_snapshots(Seeds& seeds) {
  const std::string from = seeds.root() / "plain", to = seeds.root() / "packed";
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, std::size_t{5000}}) {
    std::ofstream(from) << std::string(bytes, 'a');
    write_snapshot_file({"shop", "0f3c", Sequence(7)}, from, to, [](std::uint64_t, std::uint64_t) { return true; });
    std::ifstream packed(to, std::ios::binary);
    seeds.add("snapshot", {std::istreambuf_iterator<char>(packed), std::istreambuf_iterator<char>()});
    std::filesystem::remove(from);
    std::filesystem::remove(to);
  }
}

void add_texts(Seeds& seeds) {
  const auto add = [&](char parser, const std::string& text) { seeds.add("text", parser + text); };
  add(0, SnapshotName{"shop", Sequence(1234), 1795234800, "a", 98765, std::string(32, 'e')}.text());
  add(1,
      encode_meta({.name = "a.zst", .nuid = "n", .bytes = 7, .chunks = 1, .chunk_bytes_max = 9, .digest = "d"}, "b"));
  add(2, "s3://user:pass%21@host:9000/bucket/path?region=eu&endpoint=x");
  add(3, "a%20b%2f");
  add(4, "nats://user:pass@host:4222,tls://[::1]:4223");
}

void add_requests(Seeds& seeds) {
  const std::string host = " HTTP/1.1\r\nHost: x\r\n";
  const auto with_body = [&](const std::string& line, const std::string& body) {
    return line + host + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  seeds.add("http", "GET /kv/s/k" + host + "\r\n" + "DELETE /kv/s/k" + host + "\r\n");
  seeds.add("http", "GET /objects?prefix=o&limit=3" + host + "\r\n" + "GET /objects/o" + host + "\r\n");
  seeds.add("http", with_body("PUT /kv/s/a%20b?ttl=60", "value"));
  seeds.add("http",
            "PUT /kv/s/k" + host + "If-Match: \"1\"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  seeds.add("http", with_body("PUT /objects/p", R"({"size":5,"sha256":"ab","owner":"ada","placements":[)"
                                                R"({"node":"a","url":"http://a/p","state":"ready"}]})"));
  seeds.add("http", with_body("PUT /placements/a/o", R"({"url":"http://a/o","state":"ready"})"));
  seeds.add("http", "GET /healthz" + host + "\r\nGET /stats" + host + "\r\nGET /holders?sha256=aa" + host +
                        "Connection: close\r\n\r\n");
}

void add_records(Seeds& seeds) {
  seeds.add("record", std::string("\x07\x01\x02\x06\x11\x10\x07\x05\x01\x00"
                                  "12345678"
                                  "ab"
                                  "cd"
                                  "12345678",
                                  28));
  seeds.add("record", std::string("\x06\x00\x08\x09\x0c\x0d", 6));
}

// Choices of the page's size and number, and the page.
void add_pages(Seeds& seeds) {
  std::string page(512, '\0');
  page[0] = 13;
  page[4] = 2;
  page.replace(5, 2, std::string("\x01\xf0", 2));
  page.replace(8, 4, std::string("\x01\xf8\x01\xf0", 4));
  page.replace(0x1f8, 8, std::string("\x06\x01\x04\x01\x0f\x09\x07x", 8));
  page.replace(0x1f0, 8, std::string("\x06\x02\x04\x00\x0f\x10\x79z", 8));
  seeds.add("page", std::string(2, '\0') + page);
  page[0] = 2;
  seeds.add("page", std::string("\x80\x05", 2) + page);
}

// What is chosen by the bytes: the file's form, then statements.
void add_histories(Seeds& seeds) {
  const std::string rows("\x04\x03\xc7\x01\x40", 5), pairs("\x04\x04\x00", 3), remove("\x04\x05\x10\x80", 4);
  const std::string words(
      "\x04\x02\x05\xc0\x01\x04\x03"
      "abc\x02\x04"
      "abcd",
      15),
      blob("\x02\x01\x55\x40", 4);
  const std::string update("\x04\x08\x03\xff\x01\x02", 6), checkpoint("\x03\x02", 2), begin(1, '\0');
  for (const char page : {0, 1, 2, 3}) {
    for (const char vacuum : {0, 1, 2}) {
      const std::string form{page, 1, static_cast<char>((page + vacuum) % 3), vacuum};
      seeds.add("history", form + rows + pairs + update + blob + remove + checkpoint + words + update + remove);
    }
  }
  seeds.add("history", std::string("\0\0\x20\0\x01", 5) + rows + begin + update + pairs + remove + begin + blob + blob);
}

// One byte of each file.
void add_damage(Seeds& seeds) {
  seeds.add("damage", std::string("\x00\x00\x10\xff\x01\x04\x05\x0d\x02\x12\x34\x56\x06\x02\x00\x01", 16));
}

}  // namespace
}  // namespace colony::fuzz

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  try {
    colony::fuzz::Seeds seeds(arguments[1]);
    std::filesystem::create_directories(seeds.root());
    colony::fuzz::add_changesets(seeds);
    colony::fuzz::add_entries(seeds);
    colony::fuzz::add_snapshots(seeds);
    colony::fuzz::add_texts(seeds);
    colony::fuzz::add_requests(seeds);
    colony::fuzz::add_records(seeds);
    colony::fuzz::add_pages(seeds);
    colony::fuzz::add_histories(seeds);
    colony::fuzz::add_damage(seeds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
    return 2;
  }
  return 0;
}
