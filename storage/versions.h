// Reading versions: one algorithm for every place in the history. Per key the first row at or before the place counts,
// because the newest version of a key stands first; rows above the place are as if they were not there. That is also
// what makes a half-applied entry harmless after a crash: its rows are above every place that is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/row_source.h"

namespace regent::storage {

// The quota counts a version as its key, its stored value and this much.
inline constexpr int64_t kVersionOverheadBytes = 64;
inline int64_t VersionWeight(size_t key_bytes, size_t rest_bytes) {
  return static_cast<int64_t>(key_bytes + rest_bytes) + kVersionOverheadBytes;
}

struct Version {
  Position position;
  std::string rest;  // fields 2 to 6 of the KeyValue; empty: the key is deleted
};

// The newest version of `key` at or before `through`, a tombstone too.
absl::StatusOr<std::optional<Version>> FindVersion(const RowSource& rows, std::string_view key, Position through);
// The same with an iterator of Scope::kOneKey that is used again: making one costs as much as its seek.
std::optional<Version> FindVersion(RowIterator& row, std::string_view key, Position through);

// Goes through the keys that have a version at or before `through`, ascending; the newest such version of each.
class VersionCursor {
 public:
  // From the row `from` on, as far as `rows` goes.
  VersionCursor(std::unique_ptr<RowIterator> rows, std::string_view from, Position through);

  // To the first or next key; false at the end.
  bool Next();

  bool live() const { return !rest().empty(); }
  Position position() const { return position_; }
  std::string_view rest() const { return rows_->value(); }
  std::string_view key();  // lives until Next

 private:
  void Step();

  std::unique_ptr<RowIterator> rows_;
  Position through_;
  std::string prefix_;  // of the row the cursor stands on
  bool given_ = false;  // the key of prefix_ has been given out
  int steps_ = 0;       // rows passed since the last key or seek
  Position position_;
  std::string key_;
};

// Keys from `key` on whose rows are below the row `end`: VersionRowsEnd(range_end), or KeyPrefix(key) of the first key
// that is not meant.
struct KeySpan {
  std::string_view key;
  std::string end;
};

absl::StatusOr<VersionCursor> OpenCursor(const RowSource& rows, KeySpan span, Position through);

// Live keys of the span, by walking them.
absl::StatusOr<int64_t> WalkCount(const RowSource& rows, KeySpan span, Position through);

}  // namespace regent::storage
