#include "sqlite_ext/connection_capture.h"

#include <new>
#include <utility>

namespace colony {
namespace {

constexpr const char* kHookTaken =
    "colony: something else on this connection uses the preupdate hook (a session, perhaps), and there is only one: "
    "changes cannot be captured";

}  // namespace

ConnectionCapture::ConnectionCapture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill)
    : db_(db), host_(host), spill_(spill) {
  context_.capture = this;
}

SchemaCapture& ConnectionCapture::connect(const char* schema) {
  if (!hook_is_ours_) {
    if (!take_hook()) {
      host_.preupdate_hook(db_, nullptr, nullptr);
      throw RecordError(kHookTaken);
    }
    hook_is_ours_ = true;
  }
  for (const auto& known : schemas_) {
    if (known->schema() == schema) {
      known->schema_changed();
      return *known;
    }
  }
  return *schemas_.emplace_back(std::make_unique<SchemaCapture>(db_, schema, host_, spill_));
}

void ConnectionCapture::begin() {
  if (in_transaction_ ? !keep_hook() : !take_hook()) throw RecordError(kHookTaken);
  in_transaction_ = true;
}

void ConnectionCapture::end() {
  in_transaction_ = false;
  failure_.clear();
}

void ConnectionCapture::check() {
  if (!failure_.empty()) throw RecordError(std::exchange(failure_, {}));
  if (!keep_hook()) throw RecordError(kHookTaken);
}

// False if somebody else had the hook until now.
bool ConnectionCapture::take_hook() {
  void* const before = host_.preupdate_hook(db_, &ConnectionCapture::on_preupdate, &context_);
  return before == nullptr || before == &context_;
}

// False if it was not ours all the time.
bool ConnectionCapture::keep_hook() {
  return host_.preupdate_hook(db_, &ConnectionCapture::on_preupdate, &context_) == &context_;
}

void ConnectionCapture::on_preupdate(void* context, sqlite3*, int op, const char* schema, const char* table,
                                     sqlite3_int64 old_rowid, sqlite3_int64) {
  auto* const self = static_cast<HookContext*>(context)->capture;
  try {
    for (const auto& capture : self->schemas_) {
      if (capture->schema() == schema) {
        capture->record(op, table, old_rowid);
        return;
      }
    }
  } catch (const std::bad_alloc&) {
    self->failure_ = "colony: out of memory while recording a transaction";
  } catch (const std::exception& error) {
    self->failure_ = std::string("colony: ") + error.what();
  }
}

}  // namespace colony
