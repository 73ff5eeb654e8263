#include "storage/versions.h"

#include <utility>

#include "api/contract/status_macros.h"

namespace regent::storage {
namespace {

// A seek costs about as much as this many steps.
constexpr int kStepsBeforeSeek = 8;

// `from`: the prefix of the key, which becomes the row to seek.
std::optional<Version> FindNewest(RowIterator& row, std::string from, Position through) {
  const size_t prefix_bytes = from.size();
  AppendPosition(from, through);
  row.Seek(from);
  if (!row.Valid() || !row.row().starts_with(std::string_view(from).substr(0, prefix_bytes))) return std::nullopt;
  return Version{.position = PositionOfVersionRow(row.row()), .rest = std::string(row.value())};
}

}  // namespace

absl::StatusOr<std::optional<Version>> FindVersion(const RowSource& rows, std::string_view key, Position through) {
  std::string prefix = KeyPrefix(key);
  REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<RowIterator> row, rows.Iterate(AfterKeyPrefix(prefix), Scope::kOneKey));
  return FindNewest(*row, std::move(prefix), through);
}

std::optional<Version> FindVersion(RowIterator& row, std::string_view key, Position through) {
  return FindNewest(row, KeyPrefix(key), through);
}

VersionCursor::VersionCursor(std::unique_ptr<RowIterator> rows, std::string_view from, Position through)
    : rows_(std::move(rows)), through_(through) {
  rows_->Seek(from);
}

bool VersionCursor::Next() {
  for (; rows_->Valid(); Step()) {
    const std::string_view row = rows_->row();
    const std::string_view prefix = PrefixOfVersionRow(row);
    if (prefix != prefix_) {
      prefix_.assign(prefix);
      given_ = false;
      steps_ = 0;
    } else if (given_) {
      continue;
    }
    position_ = PositionOfVersionRow(row);
    if (position_ > through_) continue;
    given_ = true;
    return true;
  }
  return false;
}

// Passes a row of prefix_: an older version of the key that was given out, or one that is too new.
void VersionCursor::Step() {
  if (++steps_ <= kStepsBeforeSeek) {
    rows_->Next();
    return;
  }
  steps_ = 0;
  if (given_) {
    rows_->Seek(AfterKeyPrefix(prefix_));
  } else {
    std::string target = prefix_;
    AppendPosition(target, through_);
    rows_->Seek(target);
  }
}

std::string_view VersionCursor::key() {
  const std::string_view escaped = std::string_view(prefix_).substr(1, prefix_.size() - 3);
  if (escaped.find('\0') == std::string_view::npos) return escaped;
  key_ = KeyOfPrefix(prefix_);
  return key_;
}

absl::StatusOr<VersionCursor> OpenCursor(const RowSource& rows, KeySpan span, Position through) {
  REGENT_ASSIGN_OR_RETURN(std::unique_ptr<RowIterator> iterator, rows.Iterate(std::move(span.end), Scope::kRange));
  return VersionCursor(std::move(iterator), KeyPrefix(span.key), through);
}

absl::StatusOr<int64_t> WalkCount(const RowSource& rows, KeySpan span, Position through) {
  REGENT_ASSIGN_OR_RETURN(VersionCursor cursor, OpenCursor(rows, std::move(span), through));
  int64_t count = 0;
  while (cursor.Next()) count += cursor.live() ? 1 : 0;
  return count;
}

}  // namespace regent::storage
