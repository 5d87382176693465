#include "tests/load/metad/http_session.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "tests/load/metad/writer.h"

namespace metad {
namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t kHeaderBytesMax = 8 * 1024;

// To HEAD, and when nothing has changed, the body is told of and not sent.
void append(std::string& out, const Response& response, bool keep_alive, bool is_head) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  ((out += "HTTP/1.1 ") += std::to_string(response.status)) += ' ';
  out.append(reason.data(), reason.size());
  out += response.is_json ? "\r\nContent-Type: application/json\r\nContent-Length: "
                          : "\r\nContent-Type: application/octet-stream\r\nContent-Length: ";
  out += std::to_string(response.body.size());
  if (!response.etag.empty()) ((out += "\r\nETag: \"") += response.etag) += '"';
  if (!response.allow.empty()) (out += "\r\nAllow: ") += response.allow;
  if (response.committed_ns != 0) (out += "\r\nMetad-Committed-Ns: ") += std::to_string(response.committed_ns);
  if (!keep_alive) out += "\r\nConnection: close";
  out += "\r\n\r\n";
  if (!is_head && response.status != 304) out += response.body;
}

using Message = http::request<http::string_body>;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::optional<std::string_view> field(const Message& message, http::field name) {
  const auto found = message.find(name);
  return found == message.end() ? std::nullopt : std::optional(view(found->value()));
}

bool is_word(std::string_view text, std::string_view word) {
  return boost::beast::iequals({text.data(), text.size()}, {word.data(), word.size()});
}

bool is_repeated(const Message& message, http::field name) { return message.count(name) > 1; }

// Why a request is not served whose header has come, before its body is read.
std::optional<Response> objection(const Message& message) {
  const auto coding = field(message, http::field::transfer_encoding);
  if (coding && (is_repeated(message, http::field::transfer_encoding) || !is_word(*coding, "chunked"))) {
    return error_response(501, "the body has another transfer encoding than 'chunked'",
                          "send it chunked, or with a Content-Length");
  }
  const auto expected = field(message, http::field::expect);
  if (expected && !is_word(*expected, "100-continue")) {
    return error_response(417, "only '100-continue' can be expected", "leave out Expect");
  }
  return std::nullopt;
}

Response parse_failure(http::error error) {
  switch (error) {
    case http::error::header_limit:
      return error_response(431, "the header is larger than 8 KiB", "send less of it");
    case http::error::body_limit:
      return error_response(413, "the body is larger than 64 KiB", "put it into a store of blobs, and its URL here");
    default:
      return error_response(400, "this is no HTTP/1.1 request", "send one");
  }
}

}  // namespace

struct HttpSession::Partial {
  Partial() {
    parser.emplace();
    parser->header_limit(kHeaderBytesMax);
    parser->body_limit(kBodyBytesMax);
    parser->eager(true);
  }
  std::optional<http::request_parser<http::string_body>> parser;
  std::string bytes;
  bool header_seen = false;
};

HttpSession::HttpSession() = default;
HttpSession::~HttpSession() = default;

void HttpSession::receive(Service& service, std::string_view bytes, std::string& out) {
  if (closing_) return;
  if (!partial_) partial_ = std::make_unique<Partial>();
  partial_->bytes.append(bytes);
  go_on(service, out);
}

void HttpSession::go_on(Service& service, std::string& out) {
  while (partial_ && !waiting_ && !closing_) {
    Partial& partial = *partial_;
    boost::beast::error_code error;
    const std::size_t taken = partial.parser->put(boost::asio::buffer(partial.bytes), error);
    partial.bytes.erase(0, taken);
    const bool is_malformed = error && error != http::error::need_more;
    if (partial.parser->is_header_done() && !std::exchange(partial.header_seen, true)) {
      const Message& message = partial.parser->get();
      if (const auto refused = objection(message)) return refuse(*refused, out);
      const bool awaits_word = message.count(http::field::expect) != 0 && message.version() >= 11;
      if (awaits_word && !is_malformed && !partial.parser->is_done()) out += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    if (is_malformed) return refuse(parse_failure(static_cast<http::error>(error.value())), out);
    if (partial.parser->is_done()) {
      dispatch(service, out);
    } else if (error == http::error::need_more || partial.bytes.empty()) {
      if (!partial.parser->got_some() && partial.bytes.empty()) partial_.reset();
      return;
    }
  }
}

// The parser's message becomes an answer, or something to write; the session is
// ready for the next one.
void HttpSession::dispatch(Service& service, std::string& out) {
  const Message& message = partial_->parser->get();
  keep_alive_ = message.keep_alive();
  const bool is_head = message.method() == http::verb::head;
  Request request;
  request.method = is_head ? "GET" : view(message.method_string());
  request.target = view(message.target());
  request.body = message.body();
  request.if_match = field(message, http::field::if_match);
  request.if_none_match = field(message, http::field::if_none_match);
  request.repeats_a_condition =
      is_repeated(message, http::field::if_match) || is_repeated(message, http::field::if_none_match);
  Service::Outcome outcome = service.handle(request);

  std::string rest = std::move(partial_->bytes);
  partial_.reset();
  if (!rest.empty() && keep_alive_) {
    partial_ = std::make_unique<Partial>();
    partial_->bytes = std::move(rest);
  }
  if (auto* const write = std::get_if<Write>(&outcome)) {
    write_ = std::make_unique<Write>(std::move(*write));
    waiting_ = true;
  } else {
    append(out, std::get<Response>(outcome), keep_alive_, is_head);
    closing_ = !keep_alive_;
  }
}

// What follows cannot be told apart any more: this answer is the last.
void HttpSession::refuse(const Response& response, std::string& out) {
  const auto& parser = *partial_->parser;
  append(out, response, false, parser.is_header_done() && parser.get().method() == http::verb::head);
  closing_ = true;
  partial_.reset();
}

std::optional<Write> HttpSession::take_write() {
  if (!write_) return std::nullopt;
  std::optional<Write> write(std::move(*write_));
  write_.reset();
  return write;
}

void HttpSession::answer(Service& service, const Response& response, std::string& out) {
  waiting_ = false;
  append(out, response, keep_alive_, false);
  closing_ = !keep_alive_;
  go_on(service, out);
}

std::string serve_bytes(Service& service, Writer& writer, std::string_view bytes) {
  HttpSession session;
  std::string out;
  session.receive(service, bytes, out);
  while (auto write = session.take_write()) {
    Response response;
    try {
      writer.begin();
      response = writer.apply(*write);
      writer.commit();
    } catch (const SqliteError& error) {
      writer.rollback();
      response = error_response(503, error.reason(), "try again");
    }
    session.answer(service, response, out);
  }
  return out;
}

}  // namespace metad
