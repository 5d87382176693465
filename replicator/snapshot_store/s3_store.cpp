#include "replicator/snapshot_store/s3_store.h"

#include "replicator/broker/sha256.h"
#include "replicator/log/error.h"
#include "replicator/snapshot_store/object_name.h"
#include "replicator/snapshot_store/store_credentials.h"
#include "replicator/snapshot_store/xml_document.h"

namespace colony {

namespace {

constexpr std::uint64_t kPutBytesMax = std::uint64_t{5} << 30;
constexpr std::size_t kSliceBytes = 256u << 10;
constexpr const char* kNoBytesSha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string region_of(const StoreUrl& url) {
  if (const auto found = url.options.find("region"); found != url.options.end()) return found->second;
  const std::string region = environment("AWS_REGION");
  return region.empty() ? "us-east-1" : region;
}

StoreUrl endpoint_of(const StoreUrl& url) {
  const auto found = url.options.find("endpoint");
  const std::string text =
      found == url.options.end() ? "https://s3." + region_of(url) + ".amazonaws.com" : found->second;
  StoreUrl endpoint = parse_store_url(text, {});
  const bool is_plain = endpoint.path.empty() && endpoint.user.empty() && endpoint.password.empty();
  if (!is_plain || (endpoint.scheme != "http" && endpoint.scheme != "https")) {
    throw Error("'" + without_password(text) + "' is not an endpoint of S3: write http://HOST:PORT or https://HOST");
  }
  return endpoint;
}

CurlAccess access_to(const StoreUrl& url) {
  if (!url.user.empty() || !url.password.empty() || !url.port.empty()) {
    throw Error(url.shown() +
                ": write s3://BUCKET/PREFIX; the keys belong into AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, the server into ?endpoint=");
  }
  CurlAccess access;
  access.user = environment("AWS_ACCESS_KEY_ID");
  access.password = environment("AWS_SECRET_ACCESS_KEY");
  if (access.user.empty() || access.password.empty()) {
    throw Error(url.shown() + " needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  access.aws_signature = "aws:amz:" + region_of(url) + ":s3";
  return access;
}

std::string sha256_of(const LocalFile& file, const SnapshotStore::GoOn& go_on) {
  Sha256 hash;
  std::string slice(kSliceBytes, '\0');
  file.rewind();
  while (const std::size_t bytes = file.read(slice.data(), slice.size())) {
    hash.update({slice.data(), bytes});
    if (!go_on(0, file.bytes())) throw Interrupted();
  }
  return hexadecimal(hash.digest());
}

}  // namespace

S3Store::S3Store(const StoreUrl& url)
    : shown_(url.shown()),
      bucket_address_(endpoint_of(url).scheme + "://" + endpoint_of(url).authority() + "/" + percent_encoded(url.host)),
      host_(endpoint_of(url).authority()),
      prefix_(url.path.empty() ? "" : url.path.substr(1) + "/"),
      session_token_(environment("AWS_SESSION_TOKEN")),
      client_(access_to(url)) {}

std::string S3Store::address_of(const std::string& name) const {
  return bucket_address_ + "/" + percent_encoded(prefix_, "/") + name;
}

CurlAnswer S3Store::perform(CurlRequest request, const std::string& what) {
  // Said here so that it is signed with the port.
  request.headers.push_back("Host: " + host_);
  if (request.upload == nullptr) request.headers.push_back(std::string("x-amz-content-sha256: ") + kNoBytesSha256);
  if (!session_token_.empty()) request.headers.push_back("x-amz-security-token: " + session_token_);
  return client_.perform(request, what);
}

// The server's own word for what is wrong, such as NoSuchBucket.
void S3Store::require_done(const CurlAnswer& answer, const std::string& what) const {
  pugi::xml_document document;
  const bool is_xml = answer.status >= 300 && document.load_buffer(answer.body.data(), answer.body.size());
  require_success(answer, what, is_xml ? first_element(document, "Code").text().get() : "");
}

std::vector<StoredObject> S3Store::list() {
  const std::string what = shown_ + " cannot be listed";
  std::vector<StoredObject> objects;
  std::string page;  // where it begins; the first if empty
  do {
    CurlRequest request;
    // Sorted, as the signature wants them.
    request.url = bucket_address_ + "?" + (page.empty() ? "" : "continuation-token=" + percent_encoded(page) + "&") +
                  "delimiter=%2F&list-type=2&prefix=" + percent_encoded(prefix_);
    const CurlAnswer answer = perform(request, what);
    require_done(answer, what);
    const pugi::xml_document document = parse_xml(answer.body, what);
    for_each_element(document, "Contents", [&](const pugi::xml_node& contents) {
      const std::string key = first_element(contents, "Key").text().get();
      const std::string name = key.starts_with(prefix_) ? key.substr(prefix_.size()) : "";
      if (is_object_name(name)) objects.push_back({name, first_element(contents, "Size").text().as_ullong()});
    });
    const bool has_more = first_element(document, "IsTruncated").text().as_bool();
    page = has_more ? first_element(document, "NextContinuationToken").text().get() : "";
  } while (!page.empty());
  return objects;
}

void S3Store::put(const std::string& name, const std::string& path, const GoOn& go_on) {
  require_object_name(name);
  const LocalFile file = LocalFile::open_to_read(path);
  const std::string what = name + " cannot be put into " + shown_;
  if (file.bytes() > kPutBytesMax) {
    throw Error(what + ": it has " + std::to_string(file.bytes()) +
                " bytes, and S3 takes 5 GiB at a time: use another kind of store");
  }
  CurlRequest request;
  request.method = "PUT";
  request.url = address_of(name);
  request.headers = {"x-amz-content-sha256: " + sha256_of(file, go_on)};
  request.upload = &file;
  request.go_on = go_on;
  require_done(perform(request, what), what);
}

void S3Store::get(const std::string& name, const Sink& sink, const GoOn& go_on) {
  require_object_name(name);
  const std::string what = name + " cannot be fetched from " + shown_;
  CurlRequest request;
  request.url = address_of(name);
  request.sink = sink;
  request.go_on = go_on;
  require_done(perform(request, what), what);
}

void S3Store::remove(const std::string& name) {
  require_object_name(name);
  const std::string what = name + " cannot be removed from " + shown_;
  CurlRequest request;
  request.method = "DELETE";
  request.url = address_of(name);
  require_done(perform(request, what), what);
}

}  // namespace colony
