// What a file says of its own node and of the others, as values.
#pragma once

#include <string>

#include "replicator/log/names.h"

namespace colony {

// Who this file is, as `colony init` wrote it.
struct Identity {
  std::string cluster;
  std::string node;
  Incarnation incarnation;
};

// Where a file lives: a copy of it lives elsewhere.
struct Home {
  std::string host;
  std::string path;
  bool operator==(const Home&) const = default;
};

struct Origin {
  Incarnation incarnation;
  ChunkNumber chunk;  // the high-water mark: the last of its chunks that was accepted
  Sequence sequence;  // of the last entry that was accepted
  std::string host, path, version;
  bool operator==(const Origin&) const = default;
};

// A life of a node that is over: it has left, or was removed.
struct Departure {
  std::string node;
  ChunkNumber chunk;       // the last of its chunks that was accepted
  Sequence sequence;       // of the entry by which it left
  std::string removed_by;  // the node that removed it; empty if it left by itself
  std::string host, path, version;
};

}  // namespace colony
