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

// A number behind a prefix; ~0 if it is none.
std::uint64_t number_behind(std::string_view text, std::string_view prefix) {
  std::uint64_t number = ~0ULL;
  if (text.substr(0, prefix.size()) != prefix) return number;
  text.remove_prefix(prefix.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : ~0ULL;
}

void note_value(NodeRows& rows, std::string_view key, std::string_view value) {
  const std::uint64_t number = number_behind(key, "k");
  if (number < rows.values.size()) rows.values[number] = token_of(value);
}

void note_object(NodeRows& rows, std::string_view key) {
  const std::uint64_t token = number_behind(key, "new/");
  if (token != ~0ULL) rows.objects.push_back(token);
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
  rows.values.assign(keys, ~0ULL);
  Client client(node);
  for (const bool objects : {false, true}) {
    const std::string list = objects ? "/objects?prefix=new/&limit=1000" : fmt::format("/kv/{}?limit=1000", kSpace);
    std::string next;
    do {
      const nlohmann::json page = client.get(next.empty() ? list : list + "&after=" + next);
      for (const nlohmann::json& row : page.at(objects ? "objects" : "values")) {
        const auto& key = row.at("key").get_ref<const std::string&>();
        if (objects) {
          note_object(rows, key);
        } else {
          note_value(rows, key, row.value("value", ""));
        }
      }
      next = page.value("next", "");
    } while (!next.empty());
  }
  std::sort(rows.objects.begin(), rows.objects.end());
  return rows;
} catch (const std::exception& error) {
  throw std::runtime_error(
      fmt::format("cannot read the rows of {}:{}: {}", node.address, node.ports.front(), error.what()));
}

NodeRows rows_of_file(const std::string& file, std::uint32_t keys) {
  NodeRows rows;
  rows.values.assign(keys, ~0ULL);
  metad::Database db(file, metad::Database::Mode::kReadOnly, 5000);
  metad::Statement value(db, "SELECT key, value FROM kv WHERE namespace = ?1");
  value.bind(1, std::string_view(kSpace));
  while (value.step()) note_value(rows, value.text(0), value.text(1));
  metad::Statement object(db, "SELECT key FROM objects WHERE key >= 'new/' AND key < 'new0' ORDER BY key");
  while (object.step()) note_object(rows, object.text(0));
  std::sort(rows.objects.begin(), rows.objects.end());
  return rows;
}

}  // namespace load
