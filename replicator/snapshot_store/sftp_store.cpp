#include "replicator/snapshot_store/sftp_store.h"

#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <sstream>

#include "replicator/log/error.h"
#include "replicator/snapshot_store/object_name.h"
#include "replicator/snapshot_store/store_credentials.h"

namespace colony {

namespace {

std::string own_user() {
  const passwd* entry = getpwuid(getuid());  // NOLINT(concurrency-mt-unsafe): stores are opened by one thread
  return entry == nullptr ? environment("USER") : entry->pw_name;
}

std::string own_key() {
  for (const char* name : {"/.ssh/id_ed25519", "/.ssh/id_ecdsa", "/.ssh/id_rsa"}) {
    const std::string path = home_folder() + name;
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return "";  // then the agent has one
}

std::string option(const StoreUrl& url, const std::string& name, const std::string& otherwise) {
  const auto found = url.options.find(name);
  return found == url.options.end() ? otherwise : found->second;
}

CurlAccess access_to(const StoreUrl& url) {
  CurlAccess access = access_by_password(url);
  if (access.user.empty()) access.user = own_user();
  access.ssh_key = option(url, "key", own_key());
  access.ssh_known_hosts = option(url, "known_hosts", home_folder() + "/.ssh/known_hosts");
  return access;
}

// As libcurl's SFTP commands take a path.
std::string quoted(const std::string& path) {
  std::string text = "\"";
  for (const char c : path) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

// One line of a listing, which looks as `ls -l` prints it:
//   -rw-r--r--    1 user     group        1234 Nov 21 12:34 name
std::optional<StoredObject> file_in(const std::string& line) {
  std::istringstream words(line);
  std::string mode, links, owner, group, bytes, month, day, time, name, more;
  words >> mode >> links >> owner >> group >> bytes >> month >> day >> time >> name;
  if (!mode.starts_with('-') || name.empty() || words >> more) return std::nullopt;
  StoredObject file;
  file.name = name;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), file.bytes);
  if (error != std::errc() || end != bytes.data() + bytes.size()) return std::nullopt;
  return file;
}

}  // namespace

SftpStore::SftpStore(const StoreUrl& url)
    : shown_(url.shown()), server_("sftp://" + url.authority()), folder_(url.path), client_(access_to(url)) {}

std::string SftpStore::address_of(const std::string& file) const {
  return server_ + percent_encoded(folder_ + "/" + file, "/");
}

// Relative paths are below the home.
std::string SftpStore::path_of(const std::string& file) const {
  const std::string path = folder_ + "/" + file;
  return quoted(path.starts_with("/~/") ? path.substr(3) : path);
}

std::vector<StoredObject> SftpStore::files() {
  const std::string what = shown_ + " cannot be listed";
  CurlRequest request;
  request.url = address_of("");
  const CurlAnswer answer = client_.perform(request, what);
  std::vector<StoredObject> files;
  std::istringstream lines(answer.body);
  for (std::string line; std::getline(lines, line);) {
    if (std::optional<StoredObject> file = file_in(line)) files.push_back(std::move(*file));
  }
  return files;
}

std::vector<StoredObject> SftpStore::list() {
  std::vector<StoredObject> objects;
  for (StoredObject& file : files()) {
    if (is_object_name(file.name)) objects.push_back(std::move(file));
  }
  return objects;
}

// A command that begins with '*' may fail.
void SftpStore::command(const std::vector<std::string>& commands, const std::string& what) {
  CurlRequest request;
  request.method = "QUOTE";
  request.url = server_ + "/";
  request.ssh_commands = commands;
  client_.perform(request, what);
}

void SftpStore::put(const std::string& name, const std::string& path, const GoOn& go_on) {
  require_object_name(name);
  const LocalFile file = LocalFile::open_to_read(path);
  const std::string what = name + " cannot be put into " + shown_;
  for (const StoredObject& other : files()) {
    if (is_dead_temporary(other.name)) command({"*rm " + path_of(other.name)}, what);
  }
  const std::string temporary = temporary_name(name);
  try {
    CurlRequest upload;
    upload.method = "PUT";
    upload.url = address_of(temporary);
    upload.upload = &file;
    upload.go_on = go_on;
    if (client_.perform(upload, what).status == 404) throw Error(what + ": the folder cannot be made there");
    command({"*rm " + path_of(name), "rename " + path_of(temporary) + " " + path_of(name)}, what);
  } catch (const std::exception&) {
    // What stays behind all the same is removed as dead one day.
    try {
      command({"*rm " + path_of(temporary)}, what);
    } catch (const Error&) {
    }
    throw;
  }
}

void SftpStore::get(const std::string& name, const Sink& sink, const GoOn& go_on) {
  require_object_name(name);
  const std::string what = name + " cannot be fetched from " + shown_;
  CurlRequest request;
  request.url = address_of(name);
  request.sink = sink;
  request.go_on = go_on;
  if (client_.perform(request, what).status == 404) throw Error(what + ": it is not there");
}

void SftpStore::remove(const std::string& name) {
  require_object_name(name);
  for (const StoredObject& file : files()) {
    if (file.name == name) command({"rm " + path_of(name)}, name + " cannot be removed from " + shown_);
  }
}

}  // namespace colony
