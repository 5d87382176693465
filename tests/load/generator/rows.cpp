#include "tests/load/generator/rows.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/load/metad/database.h"

namespace load {
namespace {

namespace asio = boost::asio;

// Of a key that users share; others are somebody else's.
void note_value(NodeRows& rows, std::string_view key, std::string_view value) {
  std::uint32_t number = 0;
  if (key.empty() || key.front() != 'k') return;
  const auto [end, error] = std::from_chars(key.data() + 1, key.data() + key.size(), number);
  if (error == std::errc() && end == key.data() + key.size() && number < rows.values.size() &&
      key == key_name(number)) {
    rows.values[number] = content_of(value);
  }
}

void note_object(NodeRows& rows, const metad::PutObject& found) {
  const AddedObject object = added_object_of(found);
  if (object.token == kCorrupt) {
    rows.corrupt.push_back(found.key);
  } else {
    rows.objects.push_back(object);
  }
}

metad::PutObject object_in(const nlohmann::json& row) {
  const auto text = [](const nlohmann::json& of, const char* name) { return of.at(name).get<std::string>(); };
  metad::PutObject object{
      text(row, "key"), text(row, "sha256"), text(row, "owner"), row.at("size").get<std::int64_t>(), {}};
  for (const nlohmann::json& placement : row.at("placements")) {
    object.placements.push_back({text(placement, "node"), text(placement, "url"), text(placement, "state")});
  }
  return object;
}

void sort(NodeRows& rows) {
  std::sort(rows.objects.begin(), rows.objects.end());
  std::sort(rows.corrupt.begin(), rows.corrupt.end());
}

// One request after the other over one connection.
class Client {
 public:
  explicit Client(const HttpNode& node)
      : host_(fmt::format("{}:{}", node.address, node.ports.front())), socket_(loop_) {
    socket_.connect({asio::ip::make_address(node.address), node.ports.front()});
  }

  nlohmann::json get(const std::string& target) {
    asio::write(socket_, asio::buffer(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", target, host_)));
    Answer answer;
    bytes_.clear();
    while (parse_answer(bytes_, answer) == 0) {
      const std::size_t had = bytes_.size();
      bytes_.resize(had + 256 * 1024);
      bytes_.resize(had + socket_.read_some(asio::buffer(bytes_.data() + had, bytes_.size() - had)));
    }
    if (answer.status != 200) throw std::runtime_error(fmt::format("{} gives {}", target, answer.status));
    return nlohmann::json::parse(answer.body);
  }

 private:
  std::string host_, bytes_;
  asio::io_context loop_;
  asio::ip::tcp::socket socket_;
};

}  // namespace

NodeRows rows_by_http(const HttpNode& node, std::uint32_t keys) try {
  NodeRows rows;
  rows.values.resize(keys);
  Client client(node);
  for (const bool objects : {false, true}) {
    const std::string list = objects ? "/objects?prefix=new/&limit=1000" : fmt::format("/kv/{}?limit=1000", kSpace);
    std::string next;
    do {
      const nlohmann::json page = client.get(next.empty() ? list : list + "&after=" + next);
      for (const nlohmann::json& row : page.at(objects ? "objects" : "values")) {
        if (objects) {
          note_object(rows, object_in(row));
        } else {
          // Bytes that are no text have another name, and nobody writes such.
          note_value(rows, row.at("key").get_ref<const std::string&>(), row.value("value", ""));
        }
      }
      next = page.value("next", "");
    } while (!next.empty());
  }
  sort(rows);
  return rows;
} catch (const std::exception& error) {
  throw std::runtime_error(
      fmt::format("cannot read the rows of {}:{}: {}", node.address, node.ports.front(), error.what()));
}

NodeRows rows_of_file(const std::string& file, std::uint32_t keys) {
  NodeRows rows;
  rows.values.resize(keys);
  metad::Database db = metad::open_database(file, metad::Database::Mode::kReadOnly, 5000);
  metad::Statement value(db, "SELECT key, value FROM kv WHERE namespace = ?1");
  value.bind(1, std::string_view(kSpace));
  while (value.step()) note_value(rows, value.text(0), value.text(1));
  metad::Statement object(db, "SELECT key, sha256, owner, size FROM objects WHERE key >= 'new/' AND key < 'new0'");
  metad::Statement placement(db, "SELECT node, url, state FROM placements WHERE object = ?1 ORDER BY node");
  while (object.step()) {
    metad::PutObject found{
        std::string(object.text(0)), std::string(object.text(1)), std::string(object.text(2)), object.integer(3), {}};
    const metad::ResetAtEnd at_end(placement);
    placement.bind(1, found.key);
    while (placement.step()) {
      found.placements.push_back(
          {std::string(placement.text(0)), std::string(placement.text(1)), std::string(placement.text(2))});
    }
    note_object(rows, found);
  }
  sort(rows);
  return rows;
}

}  // namespace load
