#include "tests/load/generator/direct_worker.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tests/load/generator/content.h"
#include "tests/load/generator/workload.h"
#include "tests/load/metad/reader.h"
#include "tests/load/metad/write_queue.h"
#include "tests/load/metad/writer.h"

namespace load {
namespace {

constexpr std::int64_t kGroupNs = 5'000'000;

class Worker {
 public:
  Worker(int socket, const std::string& file, const std::string& extension, unsigned node)
      : socket_(socket), node_(node), writer_({file, extension}), reader_(file) {}

  void run() {
    while (read_some()) {
      if (!writes_.empty() && metad::monotonic_ns() - first_write_ns_ >= kGroupNs) commit();
      send_answers();
    }
  }

 private:
  // False at the end.
  bool read_some() {
    pollfd ready{socket_, POLLIN, 0};
    const int timeout_ms = writes_.empty() ? 1000 : 1;
    if (::poll(&ready, 1, timeout_ms) <= 0) return true;
    const std::size_t had = input_.size();
    input_.resize(had + 64 * 1024);
    const ssize_t count = ::recv(socket_, input_.data() + had, 64 * 1024, 0);
    if (count <= 0 && errno != EINTR) return false;
    input_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    std::size_t at = 0;
    for (; at + sizeof(DirectAsk) <= input_.size(); at += sizeof(DirectAsk)) {
      DirectAsk ask;
      std::memcpy(&ask, input_.data() + at, sizeof ask);
      take(ask);
    }
    input_.erase(0, at);
    return true;
  }

  void take(const DirectAsk& ask) {
    const auto operation = static_cast<Operation>(ask.operation);
    if (is_write(operation)) {
      if (writes_.empty()) first_write_ns_ = metad::monotonic_ns();
      writes_.push_back(ask);
      return;
    }
    metad::Response response;
    try {
      response = operation == Operation::kRead ? reader_.value(kSpace, key_name(ask.key))
                                               : reader_.objects({set_prefix(ask.key), "", kSetSize});
    } catch (const metad::SqliteError&) {
      response.status = 503;
    }
    answer(ask, response);
  }

  metad::Write write_of(const DirectAsk& ask) const {
    const std::string value = value_of(ask.token, ask.value_bytes);
    switch (static_cast<Operation>(ask.operation)) {
      case Operation::kProbe:
        return metad::PutValue{kProbeSpace, fmt::format("n{}", ask.key), fmt::format("{} ", ask.token), {}, {}};
      case Operation::kAddObject:
        return added_object(ask.token, node_);
      case Operation::kCompareAndSet:
        return metad::PutValue{kSpace, key_name(ask.key), value, {}, {false, fmt::format("{:016x}", ask.etag)}};
      default:
        return metad::PutValue{kSpace, key_name(ask.key), value, {}, {}};
    }
  }

  void commit() {
    std::vector<metad::Response> responses;
    try {
      writer_.begin();
      for (const DirectAsk& ask : writes_) responses.push_back(writer_.apply(write_of(ask)));
      writer_.commit();
      const std::int64_t now_ns = metad::monotonic_ns();
      for (metad::Response& response : responses) response.committed_ns = now_ns;
    } catch (const metad::SqliteError&) {
      writer_.rollback();
      responses.assign(writes_.size(), metad::Response{503});
    }
    for (std::size_t n = 0; n < writes_.size(); ++n) answer(writes_[n], responses[n]);
    writes_.clear();
  }

  void answer(const DirectAsk& ask, const metad::Response& response) {
    DirectAnswer answer{};
    answer.user = ask.user;
    answer.status = response.status;
    answer.committed_ns = response.committed_ns;
    const auto operation = static_cast<Operation>(ask.operation);
    const Content content = operation == Operation::kRead ? content_of(response.body) : Content();
    answer.token = content.token;
    answer.value_bytes = content.bytes;
    answer.is_expected = operation != Operation::kList || is_list_of(response.body, ask.key) ? 1 : 0;
    if (!response.etag.empty()) answer.etag = std::stoull(response.etag, nullptr, 16);
    output_.append(reinterpret_cast<const char*>(&answer), sizeof answer);
  }

  void send_answers() {
    std::size_t at = 0;
    while (at < output_.size()) {
      const ssize_t count = ::send(socket_, output_.data() + at, output_.size() - at, MSG_NOSIGNAL);
      if (count < 0 && errno != EINTR) break;  // its end, which the next read meets
      at += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    }
    output_.clear();
  }

  const int socket_;
  const unsigned node_;
  metad::Writer writer_;
  metad::Reader reader_;
  std::string input_, output_;
  std::vector<DirectAsk> writes_;
  std::int64_t first_write_ns_ = 0;
};

}  // namespace

WorkerProcess start_direct_worker(const std::string& file, const std::string& extension, unsigned node) {
  const WorkerProcess process =
      start_worker_process(file + ": ", [&](int socket) { Worker(socket, file, extension, node).run(); });
  ::fcntl(process.socket, F_SETFL, O_NONBLOCK);
  return process;
}

}  // namespace load
