// One connection to a broker and its JetStream, from its making to its loss. It
// is never re-made: a new connection is a new object. It is closed when the machine's
// clock is set back (clock_watch.h).
//
// What says who we are to the broker (authentication, TLS) belongs here, so that
// the log and the object store are let in alike.
//
// Threads: any. Included by the JetStream adapters' own files only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replicator/broker/broker_settings.h"
#include "replicator/broker/clock_watch.h"
#include "replicator/broker/nats_handles.h"
#include "replicator/log/error.h"

namespace colony {

// A broker answered and did not let us in. To the log this is one more reason to
// try again; who wants one answer now can tell it apart.
class BrokerRefused : public LogUnavailable {
 public:
  using LogUnavailable::LogUnavailable;
};

class JetStreamConnection {
 public:
  // Tries `urls` in order, by what else `settings` say. Throws LogUnavailable when
  // none answers, BrokerRefused when one refused us and no other let us in, Error when
  // one is malformed or a file of the settings cannot be used.
  // open_nats_library() must have been called.
  JetStreamConnection(const BrokerSettings& settings, const std::vector<std::string>& urls,
                      const std::string& client_name);
  ~JetStreamConnection();

  JetStreamConnection(const JetStreamConnection&) = delete;
  JetStreamConnection& operator=(const JetStreamConnection&) = delete;

  natsConnection* nats() const { return connection_.get(); }
  jsCtx* jetstream() const { return jetstream_.get(); }

  bool is_open() const { return !natsConnection_IsClosed(connection_.get()); }

  // Ends every call in progress on it, on all threads.
  void close() { natsConnection_Close(connection_.get()); }

  // Ends a subscription for which messages may be on their way. The library's
  // reading thread may hold one that it has already found the subscription for: to
  // destroy that under it is a crash (seen with libnats 3.4.1). So nothing is
  // destroyed before that thread is past all of them, and the connection is closed
  // if that takes longer than two seconds.
  void retire(NatsSubscriptionHandle subscription);

  // Other servers of the same cluster that the broker has told of.
  std::vector<std::string> discovered_urls() const;

 private:
  void connect(const BrokerSettings& settings, const std::string& url, const std::string& client_name);

  NatsConnectionHandle connection_;
  JetStreamHandle jetstream_;
  std::optional<ClockWatch> clock_watch_;  // goes first, so that it meets no connection that is half gone
};

// For a failed JetStream call: throws LogUnavailable that begins with `what`, or
// says that the broker has no JetStream.
[[noreturn]] void throw_unavailable(const std::string& what, natsStatus status, jsErrCode code);

}  // namespace colony
