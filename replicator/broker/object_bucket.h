// The stream that is a bucket of a NATS object store, message by message:
//
//   OBJ_<bucket>                      the stream
//   $O.<bucket>.C.<nuid>              the chunks of one upload
//   $O.<bucket>.M.<base64url(name)>   the meta message of a name: the latest only
//
// Threads: one. Errors: LogUnavailable when the broker cannot do it now, Error when
// it refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replicator/broker/jetstream_connection.h"
#include "replicator/broker/object_meta.h"

namespace colony {

class ObjectBucket {
 public:
  // `connection` must outlive this.
  ObjectBucket(JetStreamConnection& connection, std::string bucket);

  const std::string& stream() const { return stream_; }
  std::string chunk_subject(const std::string& nuid) const;

  bool exists() const;
  void create_if_missing(int replicas) const;

  struct Contents {
    std::vector<ObjectMeta> metas;  // deleted ones too
    std::int64_t now_ns = 0;        // the broker's time
  };
  Contents contents() const;

  // As the stream's leader knows it. Deleted ones too.
  std::optional<ObjectMeta> find(const std::string& name) const;

  void publish(const ObjectMeta& meta) const;

  // The nuid of each upload that has chunks.
  std::vector<std::string> uploads() const;

  // When the broker took the latest chunk of an upload; nothing if there is none.
  std::optional<std::int64_t> latest_chunk_ns(const std::string& nuid) const;

  void purge_chunks(const std::string& nuid) const;

  // Throws what a failed call amounts to.
  [[noreturn]] void fail(const std::string& what, natsStatus status, jsErrCode code) const;

 private:
  StreamInfoHandle look(const std::string& subjects) const;
  std::string meta_subject(const std::string& name) const;

  JetStreamConnection& connection_;
  const std::string bucket_;
  const std::string stream_;
  const std::string chunks_;  // "$O.<bucket>.C."
  const std::string metas_;   // "$O.<bucket>.M."
};

}  // namespace colony
