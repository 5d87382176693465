#include "tests/load/metad/http_session.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>

#include "tests/load/metad/writer.h"

namespace metad {
namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t kHeaderBytesMax = 8 * 1024;

void append(std::string& out, const Response& response, bool keep_alive) {
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
  (out += "\r\n\r\n") += response.body;
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

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
    if (error && error != http::error::need_more) return refuse(error.value(), out);
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
  const auto& message = partial_->parser->get();
  keep_alive_ = message.keep_alive();
  Request request;
  request.method = view(message.method_string());
  request.target = view(message.target());
  request.body = message.body();
  request.if_match = view(message[http::field::if_match]);
  request.if_none_match = view(message[http::field::if_none_match]);
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
    append(out, std::get<Response>(outcome), keep_alive_);
    closing_ = !keep_alive_;
  }
}

void HttpSession::refuse(int code, std::string& out) {
  Response response;
  switch (static_cast<http::error>(code)) {
    case http::error::header_limit:
      response = error_response(431, "the header is larger than 8 KiB", "send less of it");
      break;
    case http::error::body_limit:
      response =
          error_response(413, "the body is larger than 64 KiB", "put it into a store of blobs, and its URL here");
      break;
    default:
      response = error_response(400, "this is no HTTP/1.1 request", "send one");
  }
  append(out, response, false);
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
  append(out, response, keep_alive_);
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
      response = error_response(503, error.what(), "try again");
    }
    session.answer(service, response, out);
  }
  return out;
}

}  // namespace metad
