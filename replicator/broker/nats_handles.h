// Owners of the NATS client's C handles, and the library itself.
//
// Included by the JetStream adapter's own files only: nobody else sees nats.h.
#pragma once

#include <nats/nats.h>

#include <memory>
#include <string>

namespace colony {

template <auto destroy>
struct NatsDeleter {
  template <class Handle>
  void operator()(Handle* handle) const {
    destroy(handle);
  }
};

using NatsOptionsHandle = std::unique_ptr<natsOptions, NatsDeleter<&natsOptions_Destroy>>;
using NatsConnectionHandle = std::unique_ptr<natsConnection, NatsDeleter<&natsConnection_Destroy>>;
using NatsSubscriptionHandle = std::unique_ptr<natsSubscription, NatsDeleter<&natsSubscription_Destroy>>;
using NatsMessageHandle = std::unique_ptr<natsMsg, NatsDeleter<&natsMsg_Destroy>>;
using NatsInboxHandle = std::unique_ptr<natsInbox, NatsDeleter<&natsInbox_Destroy>>;
using JetStreamHandle = std::unique_ptr<jsCtx, NatsDeleter<&jsCtx_Destroy>>;
using StreamInfoHandle = std::unique_ptr<jsStreamInfo, NatsDeleter<&jsStreamInfo_Destroy>>;
using StreamNamesHandle = std::unique_ptr<jsStreamNamesList, NatsDeleter<&jsStreamNamesList_Destroy>>;
using ConsumerInfoHandle = std::unique_ptr<jsConsumerInfo, NatsDeleter<&jsConsumerInfo_Destroy>>;

// Opens the library once in a process and closes it at exit. Several calls of
// the library crash before it is open: whoever makes the first handle calls
// this first.
void open_nats_library();

// What the calling thread's latest failed library call, which returned
// `status`, says about itself.
std::string nats_failure(natsStatus status);

// Throws LogUnavailable that begins with `what` unless `status` is NATS_OK.
void require_nats(natsStatus status, const std::string& what);

}  // namespace colony
