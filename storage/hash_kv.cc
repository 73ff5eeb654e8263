#include "storage/hash_kv.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "storage/crc32c.h"
#include "storage/keys.h"

namespace regent::storage {
namespace {

constexpr size_t kRowsBetweenStops = 1024;

// One stored version as a pass remembers it.
struct Piece {
  Position position;
  uint32_t crc = 0;
  uint32_t size_bytes = 0;
};

Piece PieceOf(Position position, std::string_view key, std::string_view rest) {
  std::string head;
  head.reserve(32 + key.size());
  AppendBigEndian64(head, static_cast<uint64_t>(position.revision));
  head.push_back('_');
  AppendBigEndian64(head, position.sub);
  if (rest.empty()) head.push_back('t');
  api::AppendMessage(head, 1, key);
  return {position, ExtendCrc32c(Crc32c(head), rest), static_cast<uint32_t>(head.size() + rest.size())};
}

// The pieces with the smallest places behind `after`, as many as fit.
class EarliestPieces {
 public:
  EarliestPieces(Position after, size_t count_max) : after_(after), count_max_(std::max<size_t>(count_max, 2)) {}

  bool Wants(Position position) const { return position > after_ && position < end_; }
  void Add(const Piece& piece) {
    pieces_.push_back(piece);
    if (pieces_.size() < count_max_) return;
    // The later half waits for the next pass.
    const auto half = pieces_.begin() + static_cast<ptrdiff_t>(count_max_ / 2);
    std::nth_element(pieces_.begin(), half, pieces_.end(), Earlier);
    end_ = half->position;
    pieces_.erase(half, pieces_.end());
  }

  bool some_left_out() const { return end_ != kNoEnd; }
  std::vector<Piece> TakeSorted() && {
    std::sort(pieces_.begin(), pieces_.end(), Earlier);
    return std::move(pieces_);
  }

 private:
  static constexpr Position kNoEnd = Through(std::numeric_limits<int64_t>::max());
  static bool Earlier(const Piece& a, const Piece& b) { return a.position < b.position; }

  const Position after_;
  const size_t count_max_;
  Position end_ = kNoEnd;
  std::vector<Piece> pieces_;
};

class Hasher {
 public:
  Hasher(std::unique_ptr<RowIterator> rows, int64_t compacted, const HashKvRequest& request,
         const std::atomic<bool>& stop)
      : rows_(std::move(rows)), compacted_(compacted), request_(request), stop_(stop) {}

  absl::StatusOr<uint32_t> Hash() {
    REGENT_RETURN_IF_ERROR(FindLiveKey());
    uint32_t crc = Crc32c("key");
    Position after;
    for (bool more = true; more;) {
      EarliestPieces earliest(after, request_.versions_in_memory);
      REGENT_RETURN_IF_ERROR(Collect(earliest));
      more = earliest.some_left_out();
      for (const Piece& piece : std::move(earliest).TakeSorted()) {
        crc = ConcatCrc32c(crc, piece.crc, piece.size_bytes);
        after = piece.position;
      }
    }
    return crc;
  }

 private:
  struct Row {
    std::string_view prefix;  // of the key; lives until the iterator moves
    Position position;
    bool newest = false;            // of the key, at `at`
    bool newest_compacted = false;  // of the key, at or below the compacted revision
  };

  // Calls `visit` for every version at or before `at`, key by key, the newest first; `visit` says whether to go on.
  template <typename Visit>
  absl::Status ForEach(Visit visit) {
    std::string prefix;
    bool newest = true, newest_compacted = true;
    size_t count = 0;
    for (rows_->Seek(std::string_view(&kVersionRows, 1)); rows_->Valid(); rows_->Next()) {
      if (++count % kRowsBetweenStops == 0 && stop_.load(std::memory_order_relaxed)) return api::ErrStopped();
      Row row{.prefix = PrefixOfVersionRow(rows_->row()), .position = PositionOfVersionRow(rows_->row())};
      if (row.position.revision > request_.at) continue;
      if (row.prefix != prefix) {
        prefix.assign(row.prefix);
        newest = newest_compacted = true;
      }
      const bool compacted = row.position.revision <= compacted_;
      row.newest = newest;
      row.newest_compacted = compacted && newest_compacted;
      newest = false;
      if (compacted) newest_compacted = false;
      if (!visit(row)) break;
    }
    return absl::OkStatus();
  }

  absl::Status FindLiveKey() {
    return ForEach([this](const Row& row) {
      some_key_lives_ = row.newest && !rows_->value().empty();
      return !some_key_lives_;
    });
  }

  bool Counts(const Row& row) const {
    if (row.position.revision > compacted_) return true;
    if (rows_->value().empty()) return false;
    return some_key_lives_ ? row.newest : row.newest_compacted;
  }

  absl::Status Collect(EarliestPieces& earliest) {
    return ForEach([&](const Row& row) {
      if (earliest.Wants(row.position) && Counts(row)) {
        earliest.Add(PieceOf(row.position, KeyOfPrefix(row.prefix), rows_->value()));
      }
      return true;
    });
  }

  const std::unique_ptr<RowIterator> rows_;
  const int64_t compacted_;
  const HashKvRequest& request_;
  const std::atomic<bool>& stop_;
  bool some_key_lives_ = false;
};

}  // namespace

absl::StatusOr<api::HashKvResult> HashKeyValues(const Engine& engine, const std::atomic<int64_t>& compacted,
                                                const HashKvRequest& request, const std::atomic<bool>& stop) {
  // First the iterator, then the compacted revision: what the iterator misses was purged below it (row_source.h).
  std::unique_ptr<RowIterator> rows = engine.Iterate(std::string(1, kVersionRows + 1), Scope::kAll);
  const int64_t compacted_now = compacted.load();
  // As etcd, which takes a negative revision for one before everything.
  if (request.at >= 0 && request.at < compacted_now) return api::ErrCompacted();
  REGENT_ASSIGN_OR_RETURN(const uint32_t hash, Hasher(std::move(rows), compacted_now, request, stop).Hash());
  return api::HashKvResult{
      .revision = {request.current}, .hash = hash, .compact_revision = compacted_now, .hash_revision = request.at};
}

}  // namespace regent::storage
