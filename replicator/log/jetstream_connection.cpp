#include "replicator/log/jetstream_connection.h"

#include <cstdlib>

#include "replicator/log/server_urls.h"

namespace colony {

namespace {

// How long things may take, in milliseconds.
constexpr std::int64_t kConnectMs = 2000;
constexpr std::int64_t kRequestMs = 4000;
constexpr std::int64_t kWriteMs = 5000;
// A peer that does not answer two of these is dead.
constexpr std::int64_t kPingMs = 5000;

NatsOptionsHandle connection_options(const std::vector<std::string>& urls, const std::string& client_name) {
  natsOptions* options = nullptr;
  natsStatus status = natsOptions_Create(&options);
  NatsOptionsHandle owner(options);

  std::vector<const char*> servers;
  servers.reserve(urls.size());
  for (const std::string& url : urls) servers.push_back(url.c_str());
  if (status == NATS_OK) status = natsOptions_SetServers(options, servers.data(), static_cast<int>(servers.size()));
  if (status == NATS_OK) status = natsOptions_SetNoRandomize(options, true);
  if (status == NATS_OK) status = natsOptions_SetName(options, client_name.c_str());
  if (status == NATS_OK) status = natsOptions_SetTimeout(options, kConnectMs);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK) status = natsOptions_SetFailRequestsOnDisconnect(options, true);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, kPingMs);
  if (status == NATS_OK) status = natsOptions_SetMaxPingsOut(options, 1);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(options, kWriteMs);
  // Otherwise the library holds back what is sent for a millisecond.
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, true);
  if (status != NATS_OK) throw Error("the connection to NATS cannot be set up: " + nats_failure(status));
  return owner;
}

std::string joined(const std::vector<std::string>& urls) {
  std::string text;
  for (const std::string& url : urls) text += (text.empty() ? "" : ",") + url;
  return text;
}

}  // namespace

JetStreamConnection::JetStreamConnection(const std::vector<std::string>& urls, const std::string& client_name) {
  const NatsOptionsHandle options = connection_options(urls, client_name);
  natsConnection* connection = nullptr;
  const natsStatus status = natsConnection_Connect(&connection, options.get());
  connection_.reset(connection);
  if (status == NATS_INVALID_ARG) {
    throw Error("'" + without_credentials(joined(urls)) +
                "' is not the address of a NATS server: " + nats_failure(status));
  }
  const std::string what = "no broker at " + without_credentials(joined(urls));
  if (status == NATS_CONNECTION_AUTH_FAILED) throw BrokerRefused(what + ": " + nats_failure(status));
  require_nats(status, what);

  jsOptions jetstream_options;
  require_nats(jsOptions_Init(&jetstream_options), "JetStream cannot be set up");
  jetstream_options.Wait = kRequestMs;
  jsCtx* jetstream = nullptr;
  require_nats(natsConnection_JetStream(&jetstream, connection, &jetstream_options), "JetStream cannot be set up");
  jetstream_.reset(jetstream);
  clock_watch_.emplace(*this);
}

// Closed first: the library then knows that nobody waits for anything.
JetStreamConnection::~JetStreamConnection() {
  clock_watch_.reset();
  close();
}

void JetStreamConnection::retire(NatsSubscriptionHandle subscription) {
  if (!subscription) return;
  constexpr std::int64_t kFlushMs = 2000;
  natsSubscription_Unsubscribe(subscription.get());
  // The answer to a flush comes after all that came before it. Closing waits for the
  // reading thread's end.
  if (natsConnection_FlushTimeout(connection_.get(), kFlushMs) != NATS_OK) close();
}

std::vector<std::string> JetStreamConnection::discovered_urls() const {
  char** servers = nullptr;
  int count = 0;
  std::vector<std::string> urls;
  if (natsConnection_GetDiscoveredServers(connection_.get(), &servers, &count) != NATS_OK) return urls;
  for (int i = 0; i < count; ++i) {
    urls.emplace_back(servers[i]);
    std::free(servers[i]);
  }
  std::free(servers);
  return urls;
}

void throw_unavailable(const std::string& what, natsStatus status, jsErrCode code) {
  if (status == NATS_NO_RESPONDERS || code == JSNotEnabledErr || code == JSNotEnabledForAccountErr) {
    throw LogUnavailable("the broker has no JetStream: start nats-server with -js, or enable it for this account");
  }
  throw LogUnavailable(what + ": " + nats_failure(status));
}

}  // namespace colony
