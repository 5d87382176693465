#include "tests/load/metad/service.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "tests/load/metad/target.h"

namespace metad {
namespace {

using nlohmann::json;
using Outcome = Service::Outcome;

// A request that cannot be served; carries its answer.
struct Refused {
  Response response;
};

[[noreturn]] void refuse(unsigned status, std::string_view what, std::string_view what_to_do) {
  throw Refused{error_response(status, what, what_to_do)};
}

[[noreturn]] void refuse_method(const char* allowed) {
  Refused refused{error_response(405, "this method is not for this path", std::string("use one of: ") + allowed)};
  refused.response.allow = allowed;
  throw refused;
}

const std::string& checked_key(const std::string& key) {
  if (key.empty()) refuse(400, "the key is empty", "put it behind the last slash of the path");
  if (key.size() > kKeyBytesMax) refuse(414, "the key is longer than 512 bytes", "use a shorter one");
  return key;
}

std::int64_t number(const std::string& name, const std::string& text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    refuse(400, name + " is no number from " + std::to_string(least) + " to " + std::to_string(most),
           "give another one, or leave it out");
  }
  return value;
}

void allow_parameters(const Target& target, std::initializer_list<std::string_view> known) {
  for (const auto& one : target.query) {
    if (std::find(known.begin(), known.end(), one.first) != known.end()) continue;
    std::string names;
    for (const std::string_view name : known) (names += names.empty() ? "use only: " : ", ") += name;
    refuse(400, "there is no parameter '" + one.first + "' here", names.empty() ? "leave it out" : names);
  }
}

Page page_of(const Target& target) {
  allow_parameters(target, {"prefix", "after", "limit"});
  Page page;
  for (const auto& [name, value] : target.query) {
    if (name == "prefix") {
      page.prefix = value;
    } else if (name == "after") {
      page.after = value;
    } else {
      page.limit = number(name, value, 1, kPageLimitMax);
    }
  }
  return page;
}

// "abc", quotes and all, as ETag has it.
std::string unquoted(std::string_view text) {
  const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  if (!is_quoted || text.substr(1, text.size() - 2).find('"') != text.npos) {
    refuse(400, "If-Match must be one ETag in quotes", "send back the ETag of an answer as it was");
  }
  return std::string(text.substr(1, text.size() - 2));
}

void refuse_repeated_conditions(const Request& request) {
  if (request.repeats_a_condition) {
    refuse(400, "If-Match or If-None-Match is there more than once", "send one of them, once");
  }
}

Condition condition_of(const Request& request) {
  refuse_repeated_conditions(request);
  Condition condition;
  if (request.if_none_match) {
    if (*request.if_none_match != "*") refuse(400, "If-None-Match can only be *", "use If-Match to compare");
    condition.if_absent = true;
  }
  if (request.if_match) {
    if (condition.if_absent) refuse(400, "If-Match and If-None-Match exclude each other", "send one of them");
    condition.if_etag = unquoted(*request.if_match);
  }
  return condition;
}

// Only a single value can be compared.
void refuse_conditions(const Request& request) {
  if (request.if_match || request.if_none_match) {
    refuse(400, "If-Match and If-None-Match are for /kv/SPACE/KEY",
           "leave them out, or keep what must be compared under /kv");
  }
}

json parsed_body(const Request& request) {
  json document = json::parse(request.body, nullptr, false);
  if (!document.is_object()) refuse(400, "the body is no JSON object", "see GET for its form");
  return document;
}

std::string text_member(const json& document, const char* name, const std::string* otherwise = nullptr) {
  const auto member = document.find(name);
  if (member == document.end() && otherwise != nullptr) return *otherwise;
  if (member == document.end() || !member->is_string()) {
    refuse(400, std::string("the body needs a text '") + name + "'", "add it");
  }
  auto text = member->get<std::string>();
  if (text.find('\0') != text.npos) refuse(400, std::string("'") + name + "' has a NUL", "leave it out");
  if (text.size() > 4096) refuse(400, std::string("'") + name + "' is longer than 4096 bytes", "use a shorter one");
  return text;
}

Placement placement_of(const json& document, std::string node) {
  if (!document.is_object()) refuse(400, "a placement is no JSON object", R"(use {"node":…,"url":…,"state":…})");
  static const std::string ready = "ready";
  Placement placement{std::move(node), text_member(document, "url"), text_member(document, "state", &ready)};
  if (!placement.node.empty()) return placement;
  placement.node = text_member(document, "node");
  if (placement.node.empty() || placement.node.size() > kKeyBytesMax) {
    refuse(400, "the 'node' of a placement has no name of 1 to 512 bytes", "give it one");
  }
  return placement;
}

void add_placement(std::vector<Placement>& placements, Placement placement) {
  for (const Placement& one : placements) {
    if (one.node == placement.node) {
      refuse(400, "the node '" + placement.node + "' is twice in 'placements'", "a node has one copy: leave one out");
    }
  }
  placements.push_back(std::move(placement));
}

std::int64_t size_of(const json& document) {
  const auto size = document.find("size");
  if (size == document.end() || !size->is_number_integer()) {
    refuse(400, "the body needs a whole number 'size'", "add it");
  }
  // What is too large to be signed comes out negative, too.
  const auto bytes = size->get<std::int64_t>();
  if (bytes < 0) refuse(400, "'size' is not from 0 to 9223372036854775807", "give the number of bytes");
  return bytes;
}

PutObject object_of(const std::string& key, const json& document) {
  PutObject object;
  object.key = key;
  object.sha256 = text_member(document, "sha256");
  object.owner = text_member(document, "owner");
  object.size = size_of(document);
  if (const auto placements = document.find("placements"); placements != document.end()) {
    if (!placements->is_array() || placements->size() > 100) {
      refuse(400, "'placements' is no list of up to 100", "PUT the others one by one to /placements");
    }
    for (const json& one : *placements) add_placement(object.placements, placement_of(one, ""));
  }
  return object;
}

// If-None-Match with the ETag of what the client has already saves the bytes. Another one,
// or a list, is answered in full, which is right in any case.
Response value_of(Reader& reader, const Request& request, const std::string& space, const std::string& key) {
  refuse_repeated_conditions(request);
  if (request.if_match) refuse(400, "If-Match is for PUT and DELETE", "leave it out");
  if (request.if_none_match && request.if_none_match->empty()) refuse(400, "If-None-Match is empty", "leave it out");
  Response response = reader.value(space, key);
  const bool is_known = request.if_none_match && *request.if_none_match == '"' + response.etag + '"';
  if (response.status == 200 && is_known) response.status = 304;
  return response;
}

Outcome values(Reader& reader, const Request& request, const Target& target) {
  if (!target.has_tail) {
    if (request.method != "GET") refuse_method("GET, HEAD");
    refuse_conditions(request);
    return reader.values(checked_key(target.first), page_of(target));
  }
  const std::string& space = checked_key(target.first);
  const std::string& key = checked_key(target.tail);
  if (request.method != "PUT") allow_parameters(target, {});
  if (request.method == "GET") return value_of(reader, request, space, key);
  if (request.method == "DELETE") return Write(DeleteValue{space, key, condition_of(request)});
  if (request.method != "PUT") refuse_method("GET, HEAD, PUT, DELETE");
  allow_parameters(target, {"ttl"});
  PutValue put{space, key, std::string(request.body), std::nullopt, condition_of(request)};
  if (const auto ttl = target.query.find("ttl"); ttl != target.query.end()) {
    put.expires = utc_text(number("ttl", ttl->second, 1, 10LL * 366 * 24 * 3600));
  }
  return Write(std::move(put));
}

Outcome objects(Reader& reader, const Request& request, const Target& target) {
  if (!target.has_rest || target.rest.empty()) {
    if (request.method != "GET") refuse_method("GET, HEAD");
    return reader.objects(page_of(target));
  }
  allow_parameters(target, {});
  const std::string& key = checked_key(target.rest);
  if (request.method == "GET") return reader.object(key);
  if (request.method == "DELETE") return Write(DeleteObject{key});
  if (request.method != "PUT") refuse_method("GET, HEAD, PUT, DELETE");
  return Write(object_of(key, parsed_body(request)));
}

Outcome placements(Reader& reader, const Request& request, const Target& target) {
  const std::string& node = checked_key(target.first);
  if (!target.has_tail) {
    if (request.method != "GET") refuse_method("GET, HEAD");
    return reader.placements(node, page_of(target));
  }
  allow_parameters(target, {});
  const std::string& key = checked_key(target.tail);
  if (request.method == "DELETE") return Write(DeletePlacement{key, node});
  if (request.method != "PUT") refuse_method("PUT, DELETE");
  return Write(PutPlacement{key, placement_of(parsed_body(request), node)});
}

Outcome holders(Reader& reader, const Request& request, const Target& target) {
  if (request.method != "GET") refuse_method("GET, HEAD");
  allow_parameters(target, {"object", "sha256"});
  const auto object = target.query.find("object"), sha256 = target.query.find("sha256");
  if ((object == target.query.end()) == (sha256 == target.query.end())) {
    refuse(400, "holders of what?", "ask with ?object=KEY or ?sha256=HEX");
  }
  return object != target.query.end() ? reader.holders_of_object(object->second)
                                      : reader.holders_of_blob(sha256->second);
}

}  // namespace

Response Service::health() {
  reader_.probe();
  const double stuck_s = shared_.stuck_s();
  if (stuck_s > kStuckSecondsMax) {
    return error_response(503, "a commit has waited for seconds", "find who holds the write lock of the database");
  }
  if (const auto failure = shared_.failure()) {
    return error_response(503, "the latest commit failed: " + failure->what, failure->what_to_do);
  }
  return {200, R"({"status":"ok"})"};
}

Service::Outcome Service::route(const Request& request) {
  const auto target = parse_target(request.target);
  if (!target) {
    refuse(400, "the target is no percent-encoded UTF-8, or has a parameter twice", "encode it, and leave out NULs");
  }
  if (target->kind == "kv") return values(reader_, request, *target);
  refuse_conditions(request);
  if (target->kind == "objects") return objects(reader_, request, *target);
  if (target->kind == "placements") return placements(reader_, request, *target);
  if (target->kind == "holders") return holders(reader_, request, *target);
  if (target->kind == "healthz" || target->kind == "stats") {
    if (request.method != "GET") refuse_method("GET, HEAD");
    allow_parameters(*target, {});
    return target->kind == "stats" ? Response{200, shared_.stats()} : health();
  }
  refuse(404, "there is nothing at this path", "use /kv, /objects, /placements, /holders, /healthz or /stats");
}

Service::Outcome Service::handle(const Request& request) noexcept try {
  handled_.fetch_add(1, std::memory_order_relaxed);
  return route(request);
} catch (Refused& refused) {
  return std::move(refused.response);
} catch (const SqliteError& error) {
  return error_response(503, std::string("cannot read the database: ") + error.reason(), "try again in a second");
} catch (const std::exception& error) {
  return error_response(500, error.what(), "report it");
}

}  // namespace metad
