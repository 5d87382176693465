// The publisher's thread of a sidecar: steps in a loop, and what it does about their
// errors. It ends when the loops are to stop, and by no error.
#pragma once

#include "replicator/publish/publisher.h"
#include "replicator/sidecar/loops.h"

namespace colony {

class PublisherLoop {
 public:
  // All must outlive it.
  PublisherLoop(Publisher& publisher, PublishPermit& permit, Loops& loops)
      : publisher_(publisher), permit_(permit), loops_(loops) {}

  void run();

 private:
  Publisher& publisher_;
  PublishPermit& permit_;
  Loops& loops_;
};

}  // namespace colony
