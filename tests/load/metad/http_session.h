// One client's bytes in, bytes for it out: HTTP/1.1 with keep-alive and pipelining,
// parsed by Boost.Beast, over no socket. A session that waits for its next request
// keeps a few words only.
//
// HEAD is a GET whose answer has no body. Who expects "100-continue" is told to go on
// as soon as the header has come. A body in any transfer encoding but "chunked" cannot
// be told from the next request: 501, and the connection ends.
//
// Requests of a client are answered one after the other: while one waits for its
// commit, what came behind it waits too.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/load/metad/service.h"

namespace metad {

class Writer;

class HttpSession {
 public:
  HttpSession();
  ~HttpSession();

  // Takes what the client sent; appends to `out` what it is to be sent. Must not be
  // called while it waits.
  void receive(Service& service, std::string_view bytes, std::string& out);
  // What must be written for the answer that the client waits for; once.
  std::optional<Write> take_write();
  bool is_waiting() const { return waiting_; }
  // The answer, after which it goes on with what came meanwhile.
  void answer(Service& service, const Response& response, std::string& out);

  // Part of a request has come, and the rest has not.
  bool is_in_request() const { return partial_ != nullptr && !waiting_; }
  // Everything that is in `out` by now is the last.
  bool is_closing() const { return closing_; }

 private:
  struct Partial;  // the parser, and bytes that it has not taken yet

  void go_on(Service& service, std::string& out);
  void dispatch(Service& service, std::string& out);
  void refuse(const Response& response, std::string& out);

  std::unique_ptr<Partial> partial_;
  std::unique_ptr<Write> write_;
  bool waiting_ = false;
  bool closing_ = false;
  bool keep_alive_ = true;
};

// The whole surface on a string of bytes, writes and commits included: what a client
// that sends `bytes` over a fresh connection would be sent. For tests and fuzzing.
std::string serve_bytes(Service& service, Writer& writer, std::string_view bytes);

}  // namespace metad
