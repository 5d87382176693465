#include "tests/load/metad/server.h"

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/load/metad/connection.h"

namespace metad {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

tcp::acceptor listening(Loop& loop, const std::string& host, std::uint16_t port) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) {
    throw std::runtime_error("cannot listen on '" + host +
                             "', which is no IP address: use one, such as 127.0.0.1:8080");
  }
  try {
    return {loop, tcp::endpoint(address, port)};
  } catch (const boost::system::system_error& failed) {
    throw std::runtime_error("cannot listen on " + host + ":" + std::to_string(port) + ": " + failed.code().message() +
                             ": give --listen an address of this machine, and a port that is free");
  }
}

}  // namespace

class Server::Implementation {
 public:
  explicit Implementation(const ServerSettings& settings)
      : settings_(settings),
        queue_(std::make_unique<Writer>(settings.writer), settings.queue,
               [this](std::vector<WriteQueue::Answer>&& answers) { hand_out(std::move(answers)); }),
        acceptor_(listening(loop_, settings.address, settings.port)),
        pause_(loop_),
        signals_(loop_, SIGINT, SIGTERM) {
    const Shared shared{[this] { return stats(); }, [this] { return queue_.figures().stuck_s; },
                        [this] { return queue_.figures().failure; }};
    for (unsigned number = 0; number < settings.threads; ++number) {
      workers_.push_back(std::make_unique<Worker>(
          WorkerSettings{number, settings.writer.path, shared, settings.idle_s, settings.request_s}));
      workers_.back()->use(queue_);
    }
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void run() {
    for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    accept();
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) stop();
    });
    loop_.run();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void accept() {
    Worker& worker = *workers_[next_++ % workers_.size()];
    acceptor_.async_accept(
        worker.loop(), [this, &worker](const boost::system::error_code& error,
                                       tcp::socket::rebind_executor<Loop::executor_type>::other socket) {
          if (error == asio::error::operation_aborted) return;
          if (error) return pause(error);
          // std::function must be copied, and a socket cannot be: hence the pointer.
          asio::post(worker.loop(),
                     [&worker, kept = std::make_shared<Socket>(std::move(socket))] { worker.serve(std::move(*kept)); });
          accept();
        });
  }

  // No descriptors left, mostly: those that are there are served on.
  void pause(const boost::system::error_code& error) {
    if (std::exchange(said_error_, error.value()) != error.value()) {
      std::fprintf(stderr, "metad: cannot accept clients: %s; they wait (raise the limit of open files)\n",
                   error.message().c_str());
    }
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled) accept();
    });
  }

  void stop() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (auto& worker : workers_) asio::post(worker->loop(), [&worker] { worker->finish(); });
  }

  // On the queue's thread.
  void hand_out(std::vector<WriteQueue::Answer>&& answers) {
    std::vector<std::vector<WriteQueue::Answer>> shares(workers_.size());
    for (WriteQueue::Answer& answer : answers) shares[answer.ticket.worker].push_back(std::move(answer));
    for (std::size_t n = 0; n < shares.size(); ++n) {
      if (shares[n].empty()) continue;
      Worker& worker = *workers_[n];
      asio::post(worker.loop(), [&worker, share = std::move(shares[n])]() mutable { worker.answer(std::move(share)); });
    }
  }

  std::string stats() const {
    std::uint64_t requests = 0, open = 0;
    for (const auto& worker : workers_) {
      requests += worker->requests();
      open += worker->open();
    }
    const QueueFigures queue = queue_.figures();
    const double commits = queue.commits == 0 ? 1 : static_cast<double>(queue.commits);
    return nlohmann::json{{"requests", requests},
                          {"connections", open},
                          {"commits", queue.commits},
                          {"commits_failed", queue.failed_commits},
                          {"writes", queue.writes},
                          {"writes_waiting", queue.waiting},
                          {"writes_per_commit", static_cast<double>(queue.writes) / commits},
                          {"expired_deleted", queue.expired},
                          {"commit_mean_ms", static_cast<double>(queue.commit_ns) / commits / 1e6},
                          {"commit_max_ms", static_cast<double>(queue.commit_ns_max) / 1e6}}
        .dump();
  }

  const ServerSettings settings_;
  Loop loop_{1};
  std::vector<std::unique_ptr<Worker>> workers_;
  WriteQueue queue_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  asio::signal_set signals_;
  std::vector<std::thread> threads_;
  std::size_t next_ = 0;
  int said_error_ = 0;
};

Server::Server(const ServerSettings& settings) : implementation_(std::make_unique<Implementation>(settings)) {}
Server::~Server() = default;
std::uint16_t Server::port() const { return implementation_->port(); }
void Server::run() { implementation_->run(); }

}  // namespace metad
