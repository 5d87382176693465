#include "tests/load/metad/service.h"

#include <charconv>
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

Page page_of(const Target& target) {
  Page page;
  for (const auto& [name, value] : target.query) {
    if (name == "prefix") {
      page.prefix = value;
    } else if (name == "after") {
      page.after = value;
    } else if (name == "limit") {
      page.limit = number(name, value, 1, kPageLimitMax);
    } else {
      refuse(400, "a list has no parameter '" + name + "'", "use prefix, after and limit");
    }
  }
  return page;
}

// "abc", quotes and all, as ETag has it.
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    refuse(400, "If-Match must be one ETag in quotes", "send back the ETag of an answer as it was");
  }
  return std::string(text.substr(1, text.size() - 2));
}

Condition condition_of(const Request& request) {
  Condition condition;
  if (!request.if_none_match.empty()) {
    if (request.if_none_match != "*") refuse(400, "If-None-Match can only be *", "use If-Match to compare");
    condition.if_absent = true;
  }
  if (!request.if_match.empty()) {
    if (condition.if_absent) refuse(400, "If-Match and If-None-Match exclude each other", "send one of them");
    condition.if_etag = unquoted(request.if_match);
  }
  return condition;
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
  if (text.size() > 4096) refuse(400, std::string("'") + name + "' is longer than 4096 bytes", "use a shorter one");
  return text;
}

Placement placement_of(const json& document, std::string node) {
  if (!document.is_object()) refuse(400, "a placement is no JSON object", R"(use {"node":…,"url":…,"state":…})");
  static const std::string ready = "ready";
  Placement placement{std::move(node), text_member(document, "url"), text_member(document, "state", &ready)};
  if (placement.node.empty()) placement.node = text_member(document, "node");
  return placement;
}

PutObject object_of(const std::string& key, const json& document) {
  PutObject object;
  object.key = key;
  object.sha256 = text_member(document, "sha256");
  object.owner = text_member(document, "owner");
  const auto size = document.find("size");
  if (size == document.end() || !size->is_number_integer() || size->get<std::int64_t>() < 0) {
    refuse(400, "the body needs a whole number 'size', not below 0", "add it");
  }
  object.size = size->get<std::int64_t>();
  if (const auto placements = document.find("placements"); placements != document.end()) {
    if (!placements->is_array() || placements->size() > 100) {
      refuse(400, "'placements' is no list of up to 100", "PUT the others one by one to /placements");
    }
    for (const json& one : *placements) object.placements.push_back(placement_of(one, ""));
  }
  return object;
}

Outcome values(Reader& reader, const Request& request, const Target& target) {
  if (!target.has_tail) {
    if (request.method != "GET") refuse_method("GET");
    return reader.values(checked_key(target.first), page_of(target));
  }
  const std::string& space = checked_key(target.first);
  const std::string& key = checked_key(target.tail);
  if (request.method == "GET") return reader.value(space, key);
  if (request.method == "DELETE") return Write(DeleteValue{space, key, condition_of(request)});
  if (request.method != "PUT") refuse_method("GET, PUT, DELETE");
  PutValue put{space, key, std::string(request.body), std::nullopt, condition_of(request)};
  if (const auto ttl = target.query.find("ttl"); ttl != target.query.end()) {
    put.expires = utc_text(number("ttl", ttl->second, 1, 10LL * 366 * 24 * 3600));
  }
  return Write(std::move(put));
}

Outcome objects(Reader& reader, const Request& request, const Target& target) {
  if (!target.has_rest || target.rest.empty()) {
    if (request.method != "GET") refuse_method("GET");
    return reader.objects(page_of(target));
  }
  const std::string& key = checked_key(target.rest);
  if (request.method == "GET") return reader.object(key);
  if (request.method == "DELETE") return Write(DeleteObject{key});
  if (request.method != "PUT") refuse_method("GET, PUT, DELETE");
  return Write(object_of(key, parsed_body(request)));
}

Outcome placements(Reader& reader, const Request& request, const Target& target) {
  const std::string& node = checked_key(target.first);
  if (!target.has_tail) {
    if (request.method != "GET") refuse_method("GET");
    return reader.placements(node, page_of(target));
  }
  const std::string& key = checked_key(target.tail);
  if (request.method == "DELETE") return Write(DeletePlacement{key, node});
  if (request.method != "PUT") refuse_method("PUT, DELETE");
  return Write(PutPlacement{key, placement_of(parsed_body(request), node)});
}

Outcome holders(Reader& reader, const Request& request, const Target& target) {
  if (request.method != "GET") refuse_method("GET");
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
  return {200, R"({"status":"ok"})"};
}

Service::Outcome Service::route(const Request& request) {
  const auto target = parse_target(request.target);
  if (!target) refuse(400, "the path is no percent-encoded UTF-8", "encode it, and leave out NULs");
  if (target->kind == "kv") return values(reader_, request, *target);
  if (target->kind == "objects") return objects(reader_, request, *target);
  if (target->kind == "placements") return placements(reader_, request, *target);
  if (target->kind == "holders") return holders(reader_, request, *target);
  if (target->kind == "healthz" || target->kind == "stats") {
    if (request.method != "GET") refuse_method("GET");
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
  return error_response(503, std::string("cannot read the database: ") + error.what(), "try again in a second");
} catch (const std::exception& error) {
  return error_response(500, error.what(), "report it");
}

}  // namespace metad
