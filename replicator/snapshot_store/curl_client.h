// Requests to remote stores, one after the other over as few connections as
// possible, by libcurl. Nobody else sees curl.h.
//
// Ten seconds to connect; then as long as it takes, unless less than a byte a second
// moves for a while. Certificates and host keys are always checked.
//
// Threads: one.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/snapshot_store/local_file.h"
#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {

// Who we are to the server.
struct CurlAccess {
  std::string user = {};
  std::string password = {};
  bool use_netrc = false;          // what is missing above may stand in ~/.netrc
  std::string aws_signature = {};  // "aws:amz:REGION:s3": sign with the two above
  std::string ssh_key = {};        // a private key's file
  std::string ssh_known_hosts = {};
};

struct CurlRequest {
  std::string method = "GET";  // for SFTP: GET, PUT, or QUOTE for the commands alone
  std::string url;             // without credentials
  std::vector<std::string> headers = {};
  std::string body = {};
  const LocalFile* upload = nullptr;  // from its beginning, instead of a body; must outlive the request
  std::vector<std::string> ssh_commands = {};
  SnapshotStore::Sink sink = nullptr;  // takes a successful answer's body
  SnapshotStore::GoOn go_on = nullptr;
  std::chrono::seconds quiet_max{30};
};

struct CurlAnswer {
  long status = 0;   // of HTTP; for SFTP 200, or 404 when there is no such file or folder
  std::string body;  // what went to no sink
};

class CurlClient {
 public:
  explicit CurlClient(CurlAccess access);
  ~CurlClient();

  // Throws Interrupted when go_on said so, what the sink threw, LogUnavailable when
  // the server cannot be reached or the transfer broke off, Error when it is not the
  // server that it should be or does not let us in; `what` begins the message.
  CurlAnswer perform(const CurlRequest& request, const std::string& what);

 private:
  struct Handle;

  const CurlAccess access_;
  const std::unique_ptr<Handle> handle_;
};

// Throws unless the answer is a success (2xx): LogUnavailable for what may pass,
// such as 503, else Error. `detail` is what the server says about it, if anything.
void require_success(const CurlAnswer& answer, const std::string& what, const std::string& detail = "");

}  // namespace colony
