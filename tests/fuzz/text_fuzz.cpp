// What is parsed of names, URLs and JSON that others wrote: object stores' listings
// and operators' settings. The first byte chooses the parser.
#include <string>

#include "replicator/broker/object_meta.h"
#include "replicator/broker/server_urls.h"
#include "replicator/log/error.h"
#include "replicator/snapshot_store/snapshot_name.h"
#include "replicator/snapshot_store/store_url.h"
#include "tests/fuzz/fuzz.h"

namespace colony::fuzz {
namespace {

void try_snapshot_name(std::string_view text) {
  if (const std::optional<SnapshotName> name = parse_snapshot_name(text)) {
    require(name->text() == text, "a name that is understood is written as it was read");
  }
}

void try_object_meta(std::string_view text) {
  const ObjectMeta meta = decode_meta(text);
  if (meta.is_link || meta.deleted) return;
  const ObjectMeta again = decode_meta(encode_meta(meta, "bucket"));
  require(again.name == meta.name && again.bytes == meta.bytes && again.nuid == meta.nuid,
          "an object's meta survives being written");
}

void try_store_url(std::string_view text) {
  const StoreUrl url = parse_store_url(text, {"region", "endpoint"});
  require(parse_store_url(url.shown(), {"region", "endpoint"}).host == url.host, "a URL that is shown can be parsed");
}

void try_percent(std::string_view text) {
  require(percent_decoded(percent_encoded(percent_decoded(text))) == percent_decoded(text),
          "what was encoded can be decoded");
}

void try_text(int parser, std::string_view text) {
  switch (parser % 5) {
    case 0:
      return try_snapshot_name(text);
    case 1:
      return try_object_meta(text);
    case 2:
      return try_store_url(text);
    case 3:
      return try_percent(text);
    default:
      parse_server_urls(text);
  }
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    colony::fuzz::try_text(data[0], colony::fuzz::bytes_of(data + 1, size - 1));
  } catch (const colony::Error&) {
  }
  return 0;
}
