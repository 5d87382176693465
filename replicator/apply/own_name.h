// Whether this node's name is its own still, by what the log says: it may have left, the
// name may be somebody else's, or a copy of its file may speak with its voice.
//
// Threads: the applier's.
#pragma once

#include "replicator/apply/folded_file.h"

namespace colony {

class OwnName {
 public:
  // `home` is where the file lives, as the node's own hello tells. `file` must outlive it.
  OwnName(FoldedFile& file, Home home) : file_(file), home_(std::move(home)) {}

  // Looks at what was absorbed up to now. Why the name is not this file's, and what to do;
  // empty if it is, or is nobody's yet.
  std::string trouble();

  // Whether this node's hello from here has counted since the start; as of trouble().
  bool introduced() const { return introduced_; }
  // The last of this node's chunks that the log has taken and the file has absorbed; none
  // before it is introduced. Likewise.
  ChunkNumber accepted() const { return introduced_ ? holder()->chunk : ChunkNumber(); }

 private:
  const Origin* holder() const;
  std::string departure() const;

  FoldedFile& file_;
  Home home_;
  bool introduced_ = false;
};

}  // namespace colony
