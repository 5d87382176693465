#include "tests/load/metad/connection.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

namespace metad {
namespace {

namespace asio = boost::asio;

constexpr std::int64_t kFinishSeconds = 3;

std::int64_t now_s() { return monotonic_ns() / 1'000'000'000; }

}  // namespace

Worker::Worker(const WorkerSettings& settings)
    : work_(loop_.get_executor()), timer_(loop_), service_(settings.path, settings.shared), settings_(settings) {}

void Worker::run() {
  look_after_the_slow();
  loop_.run();
}

void Worker::serve(Socket socket) {
  if (finishing_) return;
  auto connection = std::make_shared<Connection>(*this, std::move(socket));
  connection->place_ = connections_.insert(connections_.end(), connection);
  open_.fetch_add(1, std::memory_order_relaxed);
  connection->start();
}

void Worker::answer(std::vector<WriteQueue::Answer>&& answers) {
  for (const WriteQueue::Answer& answer : answers) {
    std::static_pointer_cast<Connection>(answer.ticket.client)->answer(answer.response);
  }
}

void Worker::forget(Connection& connection) {
  if (connection.place_ == connections_.end()) return;
  connections_.erase(std::exchange(connection.place_, connections_.end()));
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (finishing_ && connections_.empty()) end();
}

// With nothing left to wait for, the loop runs dry.
void Worker::end() {
  work_.reset();
  timer_.cancel();
}

void Worker::look_after_the_slow() {
  const std::int64_t now = now_s();
  const bool is_over = finishing_ && now >= finish_by_s_;
  for (auto it = connections_.begin(); it != connections_.end();) {
    Connection& connection = **it++;
    const std::int64_t quiet_s = now - connection.quiet_since_s_;
    if (!is_over && quiet_s < settings_.request_s) break;  // those behind it were heard of later
    const bool is_slow = connection.session_.is_in_request() || !connection.unsent_.empty();
    const bool is_waiting = connection.session_.is_waiting();
    if (is_slow || (!is_waiting && (is_over || quiet_s >= settings_.idle_s))) connection.close();
  }
  if (finishing_ && connections_.empty()) return;
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look_after_the_slow();
  });
}

void Worker::finish() {
  finishing_ = true;
  finish_by_s_ = now_s() + kFinishSeconds;
  for (auto it = connections_.begin(); it != connections_.end();) {
    Connection& connection = **it++;
    if (!connection.session_.is_waiting() && connection.unsent_.empty()) connection.close();
  }
  if (connections_.empty()) end();
}

void Connection::start() {
  quiet_since_s_ = now_s();
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
  await_bytes();
}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  worker_.forget(*this);
}

// The worker's list stays in the order of the last sign of life.
void Connection::touch() {
  quiet_since_s_ = now_s();
  worker_.connections_.splice(worker_.connections_.end(), worker_.connections_, place_);
}

void Connection::await_bytes() {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->read();
  });
}

void Connection::read() {
  const ssize_t count = ::recv(socket_.native_handle(), worker_.input_.data(), worker_.input_.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return await_bytes();
  if (count <= 0) return close();
  const bool was_in_request = session_.is_in_request();
  session_.receive(worker_.service_, {worker_.input_.data(), static_cast<std::size_t>(count)}, worker_.output_);
  // Who sends a byte now and then gets no more time for the rest of one request.
  if (!was_in_request || !session_.is_in_request()) touch();
  go_on();
}

void Connection::answer(const Response& response) {
  if (!socket_.is_open()) return;
  session_.answer(worker_.service_, response, worker_.output_);
  touch();
  go_on();
}

void Connection::go_on() {
  if (std::string& output = worker_.output_; !output.empty()) {
    send(output);
    if (!output.empty()) unsent_ = std::exchange(output, {});
    if (!socket_.is_open()) return;
    if (!unsent_.empty()) return await_room();
  }
  if (session_.is_closing() || (worker_.finishing_ && !session_.is_waiting())) return close();
  if (auto write = session_.take_write()) {
    if (worker_.queue_->submit({worker_.settings_.number, shared_from_this()}, std::move(*write))) return;
    return answer(error_response(503, "too many writes wait", "try again in a second"));
  }
  await_bytes();
}

// Takes away what the client has taken.
void Connection::send(std::string& bytes) {
  const ssize_t count = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0 && errno != EAGAIN && errno != EINTR) return close();
  if (count == static_cast<ssize_t>(bytes.size())) {
    bytes.clear();
  } else if (count > 0) {
    bytes.erase(0, static_cast<std::size_t>(count));
  }
}

void Connection::await_room() {
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const boost::system::error_code& error) {
    if (error) return;
    self->send(self->unsent_);
    if (!self->socket_.is_open()) return;
    if (!self->unsent_.empty()) return self->await_room();
    std::string().swap(self->unsent_);
    self->touch();
    self->go_on();
  });
}

}  // namespace metad
