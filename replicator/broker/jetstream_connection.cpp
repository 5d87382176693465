#include "replicator/broker/jetstream_connection.h"

#include <cstdlib>
#include <optional>

#include "replicator/broker/credentials_file.h"
#include "replicator/broker/server_urls.h"
#include "replicator/log/nkey.h"
#include "replicator/log/secret_file.h"

namespace colony {

namespace {

// How long things may take, in milliseconds.
constexpr std::int64_t kConnectMs = 2000;
constexpr std::int64_t kRequestMs = 4000;
constexpr std::int64_t kWriteMs = 5000;
// A peer that does not answer two of these is dead.
constexpr std::int64_t kPingMs = 5000;
constexpr int kNkeyTriesMax = 4;

// The host that stands in an address, without brackets.
std::string host_of(const std::string& url) {
  std::string address = without_credentials(url);
  if (const auto scheme = address.find("://"); scheme != address.npos) address.erase(0, scheme + 3);
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  return address.substr(0, address.find(':'));
}

void require_set(natsStatus status, const std::string& what) {
  if (status != NATS_OK) throw Error(what + ": " + nats_failure(status));
}

// Who we are to the broker. The library reads the files of keys itself, when it
// connects.
void set_access(natsOptions* options, const BrokerSettings& settings) {
  if (!settings.credentials_file.empty()) {
    check_credentials_file(settings.credentials_file);
    require_set(natsOptions_SetUserCredentialsFromFiles(options, settings.credentials_file.c_str(), nullptr),
                "the credentials in " + settings.credentials_file + " cannot be used");
  } else if (!settings.nkey_file.empty()) {
    std::string key;
    try {
      key = public_nkey(read_secret(settings.nkey_file));
    } catch (const Error& error) {
      throw Error(settings.nkey_file + ": " + error.what());
    }
    require_set(natsOptions_SetNKeyFromSeed(options, key.c_str(), settings.nkey_file.c_str()),
                "the nkey in " + settings.nkey_file + " cannot be used");
  } else if (!settings.user.empty()) {
    const std::string password =
        settings.password_file.empty() ? settings.password : read_secret(settings.password_file);
    require_set(natsOptions_SetUserInfo(options, settings.user.c_str(), password.c_str()), "the user cannot be set");
  } else if (!settings.token.empty() || !settings.token_file.empty()) {
    const std::string token = settings.token_file.empty() ? settings.token : read_secret(settings.token_file);
    require_set(natsOptions_SetToken(options, token.c_str()), "the token cannot be set");
  }
}

// The library checks a certificate's name only if it is told which it should be:
// without that, anybody with a certificate of the system's authorities would do.
void set_tls(natsOptions* options, const BrokerSettings& settings, const std::string& url) {
  if (!settings.uses_tls()) return;
  require_set(natsOptions_SetSecure(options, true), "TLS cannot be set up");
  require_set(natsOptions_SetExpectedHostname(options, host_of(url).c_str()), "TLS cannot be set up");
  if (!settings.ca_file.empty()) {
    require_set(natsOptions_LoadCATrustedCertificates(options, settings.ca_file.c_str()),
                "the authorities in " + settings.ca_file + " cannot be used");
  }
  if (!settings.certificate_file.empty()) {
    require_secret_file(settings.key_file);
    require_set(
        natsOptions_LoadCertificatesChain(options, settings.certificate_file.c_str(), settings.key_file.c_str()),
        "the certificate in " + settings.certificate_file + " with the key in " + settings.key_file +
            " cannot be used");
  }
}

NatsOptionsHandle connection_options(const BrokerSettings& settings, const std::string& url,
                                     const std::string& client_name) {
  natsOptions* options = nullptr;
  natsStatus status = natsOptions_Create(&options);
  NatsOptionsHandle owner(options);

  const char* server = url.c_str();
  if (status == NATS_OK) status = natsOptions_SetServers(options, &server, 1);
  if (status == NATS_OK) status = natsOptions_SetName(options, client_name.c_str());
  if (status == NATS_OK) status = natsOptions_SetTimeout(options, kConnectMs);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK) status = natsOptions_SetFailRequestsOnDisconnect(options, true);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, kPingMs);
  if (status == NATS_OK) status = natsOptions_SetMaxPingsOut(options, 1);
  if (status == NATS_OK) status = natsOptions_SetWriteDeadline(options, kWriteMs);
  // Otherwise the library holds back what is sent for a millisecond.
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, true);
  require_set(status, "the connection to NATS cannot be set up");
  set_tls(options, settings, url);
  set_access(options, settings);
  return owner;
}

}  // namespace

JetStreamConnection::JetStreamConnection(const BrokerSettings& settings, const std::vector<std::string>& urls,
                                         const std::string& client_name) {
  // One at a time: each has a name of its own that its certificate must bear.
  std::optional<BrokerRefused> refused;
  std::string silent;
  for (const std::string& url : urls) {
    try {
      connect(settings, url, client_name);
      break;
    } catch (const BrokerRefused& error) {
      refused = error;
    } catch (const LogUnavailable& error) {
      silent += (silent.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  if (!connection_ && refused) throw BrokerRefused(*refused);
  if (!connection_) throw LogUnavailable(silent);

  jsOptions jetstream_options;
  require_nats(jsOptions_Init(&jetstream_options), "JetStream cannot be set up");
  jetstream_options.Wait = kRequestMs;
  jsCtx* jetstream = nullptr;
  require_nats(natsConnection_JetStream(&jetstream, connection_.get(), &jetstream_options),
               "JetStream cannot be set up");
  jetstream_.reset(jetstream);
  clock_watch_.emplace(*this);
}

// Throws BrokerRefused if it answers and does not let us in, LogUnavailable otherwise.
void JetStreamConnection::connect(const BrokerSettings& settings, const std::string& url,
                                  const std::string& client_name) {
  const NatsOptionsHandle options = connection_options(settings, url, client_name);
  const bool by_nkey = !settings.nkey_file.empty() || !settings.credentials_file.empty();
  natsConnection* connection = nullptr;
  natsStatus status = NATS_OK;
  std::string failure;
  // Before libnats 3.8 one signature in some hundreds is not taken.
  for (int tries = by_nkey ? kNkeyTriesMax : 1; tries > 0; --tries) {
    status = natsConnection_Connect(&connection, options.get());
    if (status == NATS_OK) {
      connection_.reset(connection);
      return;
    }
    failure = nats_failure(status);
    if (status != NATS_CONNECTION_AUTH_FAILED) break;
  }
  const std::string shown = without_credentials(url);
  if (status == NATS_INVALID_ARG) throw Error("'" + shown + "' is not the address of a NATS server: " + failure);
  if (status == NATS_CONNECTION_AUTH_FAILED) {
    throw BrokerRefused("the broker at " + shown + " does not let us in: " + failure);
  }
  throw LogUnavailable("no broker at " + shown + ": " + failure);
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
