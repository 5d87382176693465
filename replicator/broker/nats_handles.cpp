#include "replicator/broker/nats_handles.h"

#include "replicator/log/error.h"

namespace colony {

namespace {

struct NatsLibrary {
  NatsLibrary() {
    if (natsStatus status = nats_Open(-1); status != NATS_OK) {
      throw Error(std::string("the NATS client library cannot be initialised: ") + natsStatus_GetText(status));
    }
  }
  // Waits for the library's threads, so that none runs into the destruction of
  // what it uses; not for ever, because a process must be able to end.
  ~NatsLibrary() { nats_CloseAndWait(2000); }
};

}  // namespace

void open_nats_library() { static NatsLibrary library; }

std::string nats_failure(natsStatus status) {
  natsStatus recorded = NATS_OK;
  const char* detail = nats_GetLastError(&recorded);
  std::string text = natsStatus_GetText(status);
  if (recorded == status && detail != nullptr && *detail != '\0' && text != detail) {
    text += std::string(" (") + detail + ")";
  }
  return text;
}

void require_nats(natsStatus status, const std::string& what) {
  if (status != NATS_OK) throw LogUnavailable(what + ": " + nats_failure(status));
}

}  // namespace colony
