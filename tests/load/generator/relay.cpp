#include "tests/load/generator/relay.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace load {
namespace {

namespace asio = boost::asio;

enum Kind : std::uint32_t { kConnect, kClose, kAsk, kConnected, kAnswered, kLost };

// What goes between the two, as it lies in memory. Users are the worker's own numbers.
struct Order {
  Ask ask;
  std::uint32_t user, life, kind, node;
};
struct News {
  std::uint64_t token, etag;
  std::int64_t committed_ns;
  std::uint32_t user, life, kind, status;
  std::uint32_t value_bytes, is_expected;
};

class Worker : public Listener {
 public:
  Worker(int socket, const std::vector<HttpNode>& nodes, unsigned number, std::size_t users, std::uint32_t value_bytes)
      : stream_(loop_, socket), target_(loop_, *this, nodes, users, value_bytes, number), lives_(users) {
    stream_.receive([this](std::string_view bytes) { return take(bytes); }, [this] { loop_.stop(); });
  }

  void run() { loop_.run(); }

  void connected(UserNumber user) override { tell(user, kConnected, {}); }
  void lost(UserNumber user, Loss loss) override { tell(user, kLost, {static_cast<unsigned>(loss)}); }
  void answered(UserNumber user, const Answer& answer) override { tell(user, kAnswered, answer); }

 private:
  std::size_t take(std::string_view bytes) {
    std::size_t at = 0;
    for (; at + sizeof(Order) <= bytes.size(); at += sizeof(Order)) {
      Order order;
      std::memcpy(&order, bytes.data() + at, sizeof order);
      obey(order);
    }
    return at;
  }

  // What was ordered for a connection that is lost meanwhile is late.
  void obey(const Order& order) {
    if (order.kind == kConnect) {
      lives_[order.user] = {order.life, true};
      target_.connect(order.user, static_cast<std::uint8_t>(order.node));
    } else if (lives_[order.user].is_open && lives_[order.user].number == order.life) {
      if (order.kind == kAsk) {
        target_.send(order.user, order.ask);
      } else {
        lives_[order.user].is_open = false;
        target_.close(order.user);
      }
    }
  }

  void tell(UserNumber user, Kind kind, const Answer& answer) {
    if (kind == kLost) lives_[user].is_open = false;
    const News news{answer.content.token,        answer.etag, answer.committed_ns, user,
                    lives_[user].number,         kind,        answer.status,       answer.content.bytes,
                    answer.is_expected ? 1U : 0U};
    stream_.send(&news, sizeof news);
  }

  struct Life {
    std::uint32_t number = 0;
    bool is_open = false;
  };

  Loop loop_{1};
  RecordStream stream_;
  HttpTarget target_;
  std::vector<Life> lives_;
};

}  // namespace

RecordStream::RecordStream(asio::io_context& loop, int socket) : loop_(loop), socket_(loop) {
  socket_.assign(asio::local::stream_protocol(), socket);
}

// Once per turn of the loop, for all that it has to say.
void RecordStream::send(const void* record, std::size_t size) {
  waiting_.append(static_cast<const char*>(record), size);
  if (std::exchange(is_flushing_, true)) return;
  asio::post(loop_, [this] { flush(); });
}

void RecordStream::flush() {
  sending_.swap(waiting_);
  asio::async_write(socket_, asio::buffer(sending_), [this](const boost::system::error_code& error, std::size_t) {
    sending_.clear();
    is_flushing_ = !error && !waiting_.empty();
    if (is_flushing_) flush();
  });
}

template <class Take, class End>
void RecordStream::receive(Take take, End end) {
  socket_.async_read_some(asio::buffer(input_),
                          [this, take, end](const boost::system::error_code& error, std::size_t count) {
                            if (error == asio::error::operation_aborted) return;
                            if (error) return end();
                            received_.append(input_.data(), count);
                            received_.erase(0, take(received_));
                            receive(take, end);
                          });
}

WorkerProcess start_relay_worker(const std::vector<HttpNode>& nodes, unsigned number, std::size_t users,
                                 std::uint32_t value_bytes) {
  return start_worker_process("", [&](int socket) { Worker(socket, nodes, number, users, value_bytes).run(); });
}

RelayTarget::RelayTarget(asio::io_context& loop, Listener& listener, const std::vector<WorkerProcess>& workers,
                         std::size_t users)
    : listener_(listener), lives_(users) {
  for (std::size_t number = 0; number < workers.size(); ++number) {
    workers_.push_back(std::make_unique<RecordStream>(loop, workers[number].socket));
    workers_.back()->receive(
        [this, number](std::string_view bytes) {
          std::size_t at = 0;
          for (; at + sizeof(News) <= bytes.size(); at += sizeof(News)) take(number, bytes.substr(at, sizeof(News)));
          return at;
        },
        [] { throw std::runtime_error("a process that holds connections has died"); });
  }
}

void RelayTarget::order(UserNumber user, unsigned kind, std::uint8_t node, const Ask& ask) {
  const Order order{ask, static_cast<std::uint32_t>(user / workers_.size()), lives_[user], kind, node};
  workers_[user % workers_.size()]->send(&order, sizeof order);
}

void RelayTarget::connect(UserNumber user, std::uint8_t node) {
  ++lives_[user];
  order(user, kConnect, node, {});
}

void RelayTarget::close(UserNumber user) {
  order(user, kClose, 0, {});
  ++lives_[user];
}

void RelayTarget::send(UserNumber user, const Ask& ask) { order(user, kAsk, 0, ask); }

void RelayTarget::take(std::size_t worker, std::string_view record) {
  News news;
  std::memcpy(&news, record.data(), sizeof news);
  const auto user = static_cast<UserNumber>(news.user * workers_.size() + worker);
  if (news.life != lives_[user]) return;
  if (news.kind == kConnected) return listener_.connected(user);
  if (news.kind == kLost) {
    ++lives_[user];
    return listener_.lost(user, static_cast<Loss>(news.status));
  }
  listener_.answered(
      user, {news.status, news.etag, news.committed_ns, {news.token, news.value_bytes}, news.is_expected != 0});
}

}  // namespace load
