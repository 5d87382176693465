#include "replicator/node/outbox_index.h"

namespace colony {
namespace {

// What undoing and redoing a changeset takes, in changes of a row of ordinary size.
std::size_t work_of(const Touched& touched, std::size_t bytes) {
  constexpr std::size_t kBytesLikeARow = 512;
  return 1 + touched.marks.size() + bytes / kBytesLikeARow;
}

}  // namespace

OutboxIndex::OutboxIndex(NodeFile& file, const ReplicatedSchema& schema, PendingTransactions& pending)
    : file_(file), schema_(schema), pending_(pending), changeset_(file.spill()) {}

void OutboxIndex::clear() {
  pending_.clear();
  end_ = PieceNumber();
  first_.reset();
  changeset_.clear();
  unfit_.clear();
}

bool OutboxIndex::is_current() {
  if (end_ == PieceNumber()) return true;
  const std::optional<OutboxPiece> last = file_.outbox_piece(end_);
  if (!last) return end_ <= file_.absorbed() && pending_.empty();
  return message_hash(last->changeset) == end_hash_;
}

bool OutboxIndex::take(std::size_t bytes_max) {
  try {
    return read_on(bytes_max);
  } catch (...) {
    clear();  // it may have been read in part
    throw;
  }
}

bool OutboxIndex::read_on(std::size_t bytes_max) {
  const std::vector<OutboxPiece> pieces = file_.outbox_after(end_, bytes_max);
  pieces_read_ += pieces.size();
  if (!pieces.empty()) end_hash_ = message_hash(pieces.back().changeset);
  for (const OutboxPiece& piece : pieces) {
    end_ = piece.piece;
    if (!first_) first_ = piece.piece;
    changeset_.append(piece.changeset);
    if (!piece.last) continue;
    Touched touched;
    add_touched(schema_, changeset_, touched);
    if (std::optional<Spill> effect = file_.effect(*first_, piece.piece)) add_touched(schema_, *effect, touched);
    if (!touched.unfit.empty()) unfit_ = touched.unfit;
    const std::size_t work = work_of(touched, changeset_.size());
    pending_.add(*first_, piece.piece, std::move(touched), work);
    first_.reset();
    changeset_.clear();
  }
  return pieces.empty() || file_.outbox_end() <= end_;
}

}  // namespace colony
