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
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
    return 2;
  }
  return 0;
}
