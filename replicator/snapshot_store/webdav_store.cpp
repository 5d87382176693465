#include "replicator/snapshot_store/webdav_store.h"

#include "replicator/log/error.h"
#include "replicator/snapshot_store/object_name.h"
#include "replicator/snapshot_store/store_credentials.h"
#include "replicator/snapshot_store/xml_document.h"

namespace colony {

namespace {

constexpr const char* kPropertiesWanted =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
    "<propfind xmlns=\"DAV:\"><prop><getcontentlength/><resourcetype/></prop></propfind>";

// Some servers copy what they are told to move.
constexpr std::chrono::seconds kMoveQuietMax{600};

CurlAccess access_to(const StoreUrl& url) {
  CurlAccess access = access_by_password(url);
  access.use_netrc = true;
  return access;
}

// The file of one <response>; nothing for folders.
std::optional<StoredObject> file_in(const pugi::xml_node& response) {
  if (first_element(response, "collection")) return std::nullopt;
  const std::string href = first_element(response, "href").text().get();
  if (href.empty() || href.ends_with('/')) return std::nullopt;
  StoredObject file;
  file.name = percent_decoded(href.substr(href.rfind('/') + 1));
  file.bytes = first_element(response, "getcontentlength").text().as_ullong();
  return file;
}

}  // namespace

WebdavStore::WebdavStore(const StoreUrl& url)
    : shown_(url.shown()),
      server_((url.scheme == "webdavs" ? "https://" : "http://") + url.authority()),
      folder_(url.path),
      client_(access_to(url)) {}

std::string WebdavStore::address(const std::string& path) const { return server_ + percent_encoded(path, "/"); }

std::optional<std::vector<StoredObject>> WebdavStore::files() {
  const std::string what = shown_ + " cannot be listed";
  CurlRequest request;
  request.method = "PROPFIND";
  request.url = address(folder_ + "/");
  request.headers = {"Depth: 1", "Content-Type: application/xml; charset=utf-8"};
  request.body = kPropertiesWanted;
  const CurlAnswer answer = client_.perform(request, what);
  if (answer.status == 404) return std::nullopt;
  require_success(answer, what);
  std::vector<StoredObject> files;
  for_each_element(parse_xml(answer.body, what), "response", [&](const pugi::xml_node& response) {
    if (std::optional<StoredObject> file = file_in(response)) files.push_back(std::move(*file));
  });
  return files;
}

std::vector<StoredObject> WebdavStore::list() {
  std::vector<StoredObject> objects;
  for (StoredObject& file : files().value_or(std::vector<StoredObject>())) {
    if (is_object_name(file.name)) objects.push_back(std::move(file));
  }
  return objects;
}

// From below: those far above are often not ours to make.
void WebdavStore::make_folder(const std::string& path) {
  const std::string what = "folder " + path + " of " + shown_ + " cannot be made";
  CurlRequest request;
  request.method = "MKCOL";
  request.url = address(path + "/");
  CurlAnswer answer = client_.perform(request, what);
  if ((answer.status == 409 || answer.status == 404) && path.rfind('/') > 0) {
    make_folder(path.substr(0, path.rfind('/')));
    answer = client_.perform(request, what);
  }
  constexpr long kIsThereAlready = 405;
  if (answer.status != kIsThereAlready) require_success(answer, what);
}

void WebdavStore::put(const std::string& name, const std::string& path, const GoOn& go_on) {
  require_object_name(name);
  const LocalFile file = LocalFile::open_to_read(path);
  const std::string what = name + " cannot be put into " + shown_;
  const std::optional<std::vector<StoredObject>> before = files();
  if (!before) make_folder(folder_);
  for (const StoredObject& other : before.value_or(std::vector<StoredObject>())) {
    if (is_dead_temporary(other.name)) remove_file(other.name, what);
  }

  const std::string temporary = temporary_name(name);
  try {
    CurlRequest upload;
    upload.method = "PUT";
    upload.url = address_of(temporary);
    upload.upload = &file;
    upload.go_on = go_on;
    require_success(client_.perform(upload, what), what);

    CurlRequest move;
    move.method = "MOVE";
    move.url = address_of(temporary);
    move.headers = {"Destination: " + address_of(name), "Overwrite: T"};
    move.quiet_max = kMoveQuietMax;
    const CurlAnswer answer = client_.perform(move, what);
    require_success(answer, what);
    constexpr long kSomeFailed = 207;
    if (answer.status == kSomeFailed) throw Error(what + ": the server did not move it into place");
  } catch (const std::exception&) {
    // What stays behind all the same is removed as dead one day.
    try {
      remove_file(temporary, what);
    } catch (const Error&) {
    }
    throw;
  }
}

void WebdavStore::get(const std::string& name, const Sink& sink, const GoOn& go_on) {
  require_object_name(name);
  const std::string what = name + " cannot be fetched from " + shown_;
  CurlRequest request;
  request.url = address_of(name);
  request.sink = sink;
  request.go_on = go_on;
  require_success(client_.perform(request, what), what);
}

void WebdavStore::remove(const std::string& name) {
  require_object_name(name);
  remove_file(name, name + " cannot be removed from " + shown_);
}

void WebdavStore::remove_file(const std::string& file, const std::string& what) {
  CurlRequest request;
  request.method = "DELETE";
  request.url = address_of(file);
  const CurlAnswer answer = client_.perform(request, what);
  if (answer.status != 404) require_success(answer, what);
}

}  // namespace colony
