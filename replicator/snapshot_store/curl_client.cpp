#include "replicator/snapshot_store/curl_client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>

#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::size_t kBodyBytesMax = 64u << 20;
constexpr long kConnectSeconds = 10;
constexpr long kBufferBytes = 256 << 10;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

List list_of(const std::vector<std::string>& lines) {
  List list;
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list.release();
    list.reset(longer);
  }
  return list;
}

// A transfer under way, as libcurl's callbacks see it. They throw nothing: what
// the caller's code throws waits here until libcurl has returned.
struct Transfer {
  CURL* curl;
  const CurlRequest& request;
  CurlAnswer answer = {};
  std::exception_ptr thrown = nullptr;

  bool wants_sink() const {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return request.sink && status < 300;
  }
};

std::size_t take_body(char* data, std::size_t, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  try {
    if (transfer.wants_sink()) {
      transfer.request.sink({data, count});
    } else if (transfer.answer.body.size() + count > kBodyBytesMax) {
      throw Error("the server's answer is larger than 64 MiB");
    } else {
      transfer.answer.body.append(data, count);
    }
    return count;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::size_t give_file(char* buffer, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  try {
    return transfer.request.upload->read(buffer, size * count);
  } catch (...) {
    transfer.thrown = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

// A kept connection that the server had closed makes libcurl begin again.
int seek_file(void* context, curl_off_t offset, int origin) {
  const auto& transfer = *static_cast<Transfer*>(context);
  return lseek(transfer.request.upload->descriptor(), offset, origin) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

int report_progress(void* context, curl_off_t download_total, curl_off_t downloaded, curl_off_t, curl_off_t uploaded) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (!transfer.request.go_on) return 0;
  try {
    const bool is_upload = transfer.request.upload != nullptr;
    const auto done = static_cast<std::uint64_t>(is_upload ? uploaded : downloaded);
    const std::uint64_t total =
        is_upload ? transfer.request.upload->bytes() : static_cast<std::uint64_t>(std::max(download_total, downloaded));
    // The body of a refusal is no progress.
    const bool counts = is_upload || !transfer.request.sink || transfer.wants_sink();
    if (counts && !transfer.request.go_on(done, total)) throw Interrupted();
    return 0;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 1;
  }
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

// For what will not get better by itself; anything else is tried again.
bool is_final(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_LOGIN_DENIED:
    case CURLE_QUOTE_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_REMOTE_FILE_EXISTS:
    case CURLE_AUTH_ERROR:
      return true;
    default:
      return false;
  }
}

struct CurlLibrary {
  CurlLibrary() {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Error("libcurl cannot be initialised");
  }
};

}  // namespace

struct CurlClient::Handle {
  Handle() : curl(curl_easy_init()) {
    if (curl == nullptr) throw Error("libcurl cannot be initialised");
  }
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(curl, option, value);
    if (code != CURLE_OK) throw Error(std::string("libcurl cannot be set up: ") + curl_easy_strerror(code));
  }
  void set_text(CURLoption option, const std::string& text) {
    if (!text.empty()) set(option, text.c_str());
  }

  void set_limits(const CurlRequest& request);
  void set_access(const CurlAccess& access);
  void set_request(const CurlRequest& request);

  CURL* const curl;
};

void CurlClient::Handle::set_limits(const CurlRequest& request) {
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https,sftp");
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.quiet_max.count()));
  set(CURLOPT_BUFFERSIZE, kBufferBytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
}

void CurlClient::Handle::set_access(const CurlAccess& access) {
  set_text(CURLOPT_USERNAME, access.user);
  set_text(CURLOPT_PASSWORD, access.password);
  if (access.use_netrc) set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
  if (access.aws_signature.empty()) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  } else {
    set_text(CURLOPT_AWS_SIGV4, access.aws_signature);
  }
  const long methods =
      CURLSSH_AUTH_PUBLICKEY | CURLSSH_AUTH_AGENT | (access.password.empty() ? 0 : CURLSSH_AUTH_PASSWORD);
  set(CURLOPT_SSH_AUTH_TYPES, methods);
  set_text(CURLOPT_SSH_PRIVATE_KEYFILE, access.ssh_key);
  set_text(CURLOPT_SSH_KNOWNHOSTS, access.ssh_known_hosts);
}

void CurlClient::Handle::set_request(const CurlRequest& request) {
  set_text(CURLOPT_URL, request.url);
  if (request.upload != nullptr) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.upload->bytes()));
    set(CURLOPT_READFUNCTION, give_file);
    set(CURLOPT_SEEKFUNCTION, seek_file);
    // For SFTP: no more readable than what is uploaded, its folders for us only.
    set(CURLOPT_NEW_FILE_PERMS, static_cast<long>(request.upload->mode()));
    set(CURLOPT_NEW_DIRECTORY_PERMS, 0700L);
    set(CURLOPT_FTP_CREATE_MISSING_DIRS, static_cast<long>(CURLFTP_CREATE_DIR));
  } else if (request.method == "QUOTE") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.c_str());
    }
  }
}

CurlClient::CurlClient(CurlAccess access)
    : access_(std::move(access)), handle_([] {
        static CurlLibrary library;
        return std::make_unique<Handle>();
      }()) {}

CurlClient::~CurlClient() = default;

CurlAnswer CurlClient::perform(const CurlRequest& request, const std::string& what) {
  CURL* const curl = handle_->curl;
  curl_easy_reset(curl);  // of options; connections are kept
  Transfer transfer{curl, request};
  std::array<char, CURL_ERROR_SIZE> error_text{};
  const List headers = list_of(request.headers);
  const List commands = list_of(request.ssh_commands);
  handle_->set_limits(request);
  handle_->set_access(access_);
  handle_->set_request(request);
  handle_->set(CURLOPT_ERRORBUFFER, error_text.data());
  handle_->set(CURLOPT_HTTPHEADER, headers.get());
  handle_->set(CURLOPT_QUOTE, commands.get());
  handle_->set(CURLOPT_WRITEFUNCTION, take_body);
  handle_->set(CURLOPT_WRITEDATA, &transfer);
  handle_->set(CURLOPT_READDATA, &transfer);
  handle_->set(CURLOPT_SEEKDATA, &transfer);
  handle_->set(CURLOPT_NOPROGRESS, 0L);
  handle_->set(CURLOPT_XFERINFOFUNCTION, report_progress);
  handle_->set(CURLOPT_XFERINFODATA, &transfer);
  if (request.upload != nullptr) request.upload->rewind();

  const CURLcode code = curl_easy_perform(curl);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (code == CURLE_REMOTE_FILE_NOT_FOUND) {
    transfer.answer.status = 404;
  } else if (code != CURLE_OK) {
    const std::string text =
        what + ": " + one_line(error_text[0] != '\0' ? error_text.data() : curl_easy_strerror(code));
    if (is_final(code)) throw Error(text);
    throw LogUnavailable(text);
  } else {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
    if (request.url.starts_with("sftp:")) transfer.answer.status = 200;
  }
  return std::move(transfer.answer);
}

void require_success(const CurlAnswer& answer, const std::string& what, const std::string& detail) {
  const long status = answer.status;
  if (status >= 200 && status < 300) return;
  const std::string said = "HTTP " + std::to_string(status) + (detail.empty() ? "" : " (" + one_line(detail) + ")");
  const bool may_pass = status == 408 || status == 423 || status == 425 || status == 429 ||
                        (status >= 500 && status != 501 && status != 505);
  if (may_pass) throw LogUnavailable(what + ": the server cannot do it now: " + said);
  if (status == 401 || status == 403) throw Error(what + ": the server does not let us in: " + said);
  if (status == 404) throw Error(what + ": it is not there: " + said);
  if (status >= 300 && status < 400) throw Error(what + ": the server sends us elsewhere, give that URL: " + said);
  throw Error(what + ": the server refuses: " + said);
}

}  // namespace colony
