// SnapshotUnpacker: a file from a store that anybody may have written to. In slices
// of whatever size it says the same of what it takes. (What it refuses may differ:
// libzstd compares the size that a frame claims only when it has all of it at once.
// The hash decides in any case.)
#include <algorithm>
#include <string>

#include "replicator/snapshot_store/snapshot_file.h"
#include "tests/fuzz/fuzz.h"

namespace colony::fuzz {
namespace {

// What it is; empty if it is refused.
std::string verdict(std::string_view bytes, std::size_t slice) {
  SnapshotHeader header;
  try {
    SnapshotUnpacker unpacker("", [&](const SnapshotHeader& read) { header = read; });
    for (std::size_t at = 0; at < bytes.size(); at += slice) unpacker.write(bytes.substr(at, slice));
    unpacker.finish();
    return header.cluster + " " + header.epoch + " " + std::to_string(header.bytes);
  } catch (const Error&) {
    return "";
  }
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace colony::fuzz;
  const std::string_view bytes = bytes_of(data, size);
  const std::string whole = verdict(bytes, std::max<std::size_t>(size, 1)), sliced = verdict(bytes, 7);
  require(whole.empty() || sliced.empty() || whole == sliced, "what a snapshot is does not depend on the slices");
  return 0;
}
