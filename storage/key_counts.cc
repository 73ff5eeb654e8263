#include "storage/key_counts.h"

#include <algorithm>
#include <utility>

#include "api/contract/key_range.h"
#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/row_reader.h"

namespace regent::storage {
namespace {

constexpr uint32_t kBucketKeysMax = 256;
constexpr uint32_t kBucketKeysAfterCut = 128;
constexpr uint32_t kBucketKeysMin = 32;  // a smaller one is merged with the next
constexpr size_t kLeafBucketsMax = 128;
constexpr size_t kLeafBucketsMin = 16;  // a smaller one is joined with the next

uint32_t Keys(const CountTree::Bucket& bucket) { return bucket.live + bucket.dead; }

}  // namespace

CountTree::CountTree() {
  auto leaf = std::make_shared<Leaf>();
  leaf->separators = std::make_shared<const std::vector<std::string>>(1);
  leaf->buckets.resize(1);
  leaves_.push_back(std::move(leaf));
}

CountTree::Place CountTree::Find(std::string_view key) const {
  const auto leaf = std::upper_bound(leaves_.begin() + 1, leaves_.end(), key,
                                     [](std::string_view k, const auto& l) { return k < l->separators->front(); });
  const size_t leaf_position = static_cast<size_t>(leaf - leaves_.begin()) - 1;
  const std::vector<std::string>& separators = *leaves_[leaf_position]->separators;
  const auto bucket = std::upper_bound(separators.begin() + 1, separators.end(), key);
  return Place{leaf_position, static_cast<size_t>(bucket - separators.begin()) - 1};
}

int64_t CountTree::LiveBefore(Place place) const {
  int64_t live = 0;
  for (size_t leaf = 0; leaf < place.leaf; ++leaf) live += leaves_[leaf]->live;
  const std::vector<Bucket>& buckets = leaves_[place.leaf]->buckets;
  for (size_t bucket = 0; bucket < place.bucket; ++bucket) live += buckets[bucket].live;
  return live;
}

int64_t CountTree::live() const {
  int64_t live = 0;
  for (const auto& leaf : leaves_) live += leaf->live;
  return live;
}

absl::StatusOr<int64_t> CountTree::Count(const RowSource& rows, std::string_view key, std::string_view range_end,
                                         Position through) const {
  if (api::RangeIsEmpty(key, range_end)) return 0;
  const Place first = Find(key);
  int64_t end_sum = live();
  if (!api::IsFromKey(range_end)) {
    const Place last = Find(range_end);
    if (last == first) return WalkCount(rows, {key, VersionRowsEnd(range_end)}, through);
    end_sum = LiveBefore(last);
    if (SeparatorAt(last) != range_end) {
      REGENT_ASSIGN_OR_RETURN(const int64_t edge, WalkCount(rows, {SeparatorAt(last), KeyPrefix(range_end)}, through));
      end_sum += edge;
    }
  }
  int64_t start_sum = LiveBefore(first);
  if (SeparatorAt(first) != key) {
    REGENT_ASSIGN_OR_RETURN(const int64_t edge, WalkCount(rows, {SeparatorAt(first), KeyPrefix(key)}, through));
    start_sum += edge;
  }
  CHECK_GE(end_sum, start_sum);
  return end_sum - start_sum;
}

std::optional<CountTree::Bucket> ParseBucket(std::string_view value) {
  RowReader reader(value);
  CountTree::Bucket bucket;
  bucket.live = static_cast<uint32_t>(reader.Varint());
  bucket.dead = static_cast<uint32_t>(reader.Varint());
  if (reader.malformed()) return std::nullopt;
  return bucket;
}

KeyCounts KeyCounts::Load(const Engine& engine) {
  KeyCounts counts;
  std::vector<Piece> pieces;
  const std::string first = CountRow("");
  const std::unique_ptr<RowIterator> row = engine.Iterate(api::PrefixEnd(first), Scope::kRange);
  for (row->Seek(first); row->Valid(); row->Next()) {
    const std::optional<CountTree::Bucket> bucket = ParseBucket(row->value());
    CHECK(bucket.has_value()) << "a row of the key counts is malformed";
    pieces.push_back(Piece{.separator = std::string(row->row().substr(1)), .bucket = *bucket});
  }
  if (pieces.empty()) pieces.push_back(Piece{.separator = "", .bucket = {}});
  CHECK(pieces.front().separator.empty()) << "the first row of the key counts is missing";
  counts.Replace(0, 0, 1, std::move(pieces));
  counts.unwritten_.clear();
  return counts;
}

std::shared_ptr<const CountTree> KeyCounts::Publish() {
  if (changed_) {
    published_ = std::make_shared<const CountTree>(tree_);
    ++edition_;
    changed_ = false;
  }
  return published_;
}

CountTree::Leaf& KeyCounts::MutableLeaf(size_t leaf) {
  changed_ = true;
  std::shared_ptr<CountTree::Leaf>& slot = tree_.leaves()[leaf];
  if (slot->edition != edition_) {
    slot = std::make_shared<CountTree::Leaf>(*slot);
    slot->edition = edition_;
  }
  return *slot;
}

void KeyCounts::Note(std::string_view key, int live, int dead) {
  const CountTree::Place place = tree_.Find(key);
  CountTree::Leaf& leaf = MutableLeaf(place.leaf);
  CountTree::Bucket& bucket = leaf.buckets[place.bucket];
  CHECK(live >= 0 || bucket.live > 0) << "a bucket of the key counts would be below zero";
  bucket.live += static_cast<uint32_t>(live);
  leaf.live += live;
  if (dead >= 0 || bucket.dead > 0) bucket.dead += static_cast<uint32_t>(dead);
  const std::string& separator = (*leaf.separators)[place.bucket];
  unwritten_.insert(separator);
  if (Keys(bucket) > kBucketKeysMax || Keys(bucket) < kBucketKeysMin) unbalanced_.insert(separator);
}

void KeyCounts::WriteRows(Batch& batch) {
  for (const std::string& separator : unwritten_) {
    const CountTree::Place place = tree_.Find(separator);
    if (tree_.SeparatorAt(place) != separator) {
      batch.Delete(CountRow(separator));
      continue;
    }
    const CountTree::Bucket& bucket = tree_.BucketAt(place);
    std::string value;
    api::AppendVarint(value, bucket.live);
    api::AppendVarint(value, bucket.dead);
    batch.Put(CountRow(separator), value);
  }
  unwritten_.clear();
}

void KeyCounts::Balance(const RowSource& rows, Position through) {
  const std::set<std::string> separators = std::exchange(unbalanced_, {});
  for (const std::string& separator : separators) {
    const CountTree::Place place = tree_.Find(separator);
    if (tree_.SeparatorAt(place) != separator) continue;  // merged away just now
    const CountTree::Bucket& bucket = tree_.BucketAt(place);
    if (Keys(bucket) > kBucketKeysMax) {
      Cut(separator, rows, through);
    } else if (Keys(bucket) < kBucketKeysMin) {
      MergeWithNext(separator);
    }
  }
}

// The keys of the bucket, live and dead, in pieces of kBucketKeysAfterCut.
std::vector<KeyCounts::Piece> KeyCounts::ScanBucket(CountTree::Place place, const RowSource& rows,
                                                    Position through) const {
  CountTree::Place next = place;
  if (++next.bucket == tree_.leaves()[place.leaf]->buckets.size()) next = {place.leaf + 1, 0};
  const bool last = next.leaf == tree_.leaves().size();
  std::string end = last ? VersionRowsEnd(api::kFromKey) : KeyPrefix(tree_.SeparatorAt(next));
  absl::StatusOr<VersionCursor> cursor = OpenCursor(rows, {tree_.SeparatorAt(place), std::move(end)}, through);
  CHECK(cursor.ok()) << cursor.status();
  std::vector<Piece> pieces;
  pieces.push_back(Piece{.separator = tree_.SeparatorAt(place), .bucket = {}});
  while (cursor->Next()) {
    if (Keys(pieces.back().bucket) == kBucketKeysAfterCut) {
      pieces.push_back(Piece{.separator = std::string(cursor->key()), .bucket = {}});
    }
    ++(cursor->live() ? pieces.back().bucket.live : pieces.back().bucket.dead);
  }
  return pieces;
}

void KeyCounts::Cut(const std::string& separator, const RowSource& rows, Position through) {
  const CountTree::Place place = tree_.Find(separator);
  std::vector<Piece> pieces = ScanBucket(place, rows, through);
  const uint32_t expected = tree_.BucketAt(place).live;
  uint32_t live = 0;
  for (const Piece& piece : pieces) live += piece.bucket.live;
  CHECK_EQ(live, expected) << "the key counts disagree with the rows from key '" << separator << "' on";
  if (pieces.size() > 1 && Keys(pieces.back().bucket) < kBucketKeysMin) {
    const Piece last = std::move(pieces.back());
    pieces.pop_back();
    pieces.back().bucket.live += last.bucket.live;
    pieces.back().bucket.dead += last.bucket.dead;
  }
  Replace(place.leaf, place.bucket, 1, std::move(pieces));
}

void KeyCounts::MergeWithNext(const std::string& separator) {
  JoinWithNextLeaf(tree_.Find(separator).leaf);
  const CountTree::Place place = tree_.Find(separator);
  const CountTree::Leaf& leaf = *tree_.leaves()[place.leaf];
  if (place.bucket + 1 == leaf.buckets.size()) {
    if (place.bucket == 0) return;
    const CountTree::Bucket& before = leaf.buckets[place.bucket - 1];
    if (Keys(before) + Keys(leaf.buckets[place.bucket]) > kBucketKeysAfterCut) return;
    return MergeWithNext((*leaf.separators)[place.bucket - 1]);
  }
  const CountTree::Bucket& next = leaf.buckets[place.bucket + 1];
  CountTree::Bucket merged = leaf.buckets[place.bucket];
  if (Keys(merged) + Keys(next) > kBucketKeysAfterCut) return;
  merged.live += next.live;
  merged.dead += next.dead;
  if (Keys(merged) < kBucketKeysMin) unbalanced_.insert(separator);
  std::vector<Piece> pieces;
  pieces.push_back(Piece{.separator = separator, .bucket = merged});
  Replace(place.leaf, place.bucket, 2, std::move(pieces));
}

// Puts `pieces` in the place of `buckets` buckets of one leaf.
void KeyCounts::Replace(size_t leaf_position, size_t first_bucket, size_t buckets, std::vector<Piece> pieces) {
  CountTree::Leaf& leaf = MutableLeaf(leaf_position);
  std::vector<std::string> separators(leaf.separators->begin(),
                                      leaf.separators->begin() + static_cast<ptrdiff_t>(first_bucket));
  std::vector<CountTree::Bucket> counts(leaf.buckets.begin(),
                                        leaf.buckets.begin() + static_cast<ptrdiff_t>(first_bucket));
  for (size_t i = first_bucket; i < first_bucket + buckets; ++i) unwritten_.insert((*leaf.separators)[i]);
  for (Piece& piece : pieces) {
    unwritten_.insert(piece.separator);
    separators.push_back(std::move(piece.separator));
    counts.push_back(piece.bucket);
  }
  for (size_t i = first_bucket + buckets; i < leaf.buckets.size(); ++i) {
    separators.push_back((*leaf.separators)[i]);
    counts.push_back(leaf.buckets[i]);
  }
  leaf.live = 0;
  for (const CountTree::Bucket& bucket : counts) leaf.live += bucket.live;
  leaf.separators = std::make_shared<const std::vector<std::string>>(std::move(separators));
  leaf.buckets = std::move(counts);
  if (leaf.buckets.size() > kLeafBucketsMax) SplitLeaf(leaf_position);
}

// Into leaves of half the size.
void KeyCounts::SplitLeaf(size_t leaf_position) {
  const std::shared_ptr<CountTree::Leaf> whole = tree_.leaves()[leaf_position];
  std::vector<std::shared_ptr<CountTree::Leaf>> parts;
  for (size_t start = 0; start < whole->buckets.size(); start += kLeafBucketsMax / 2) {
    const auto first = static_cast<ptrdiff_t>(start);
    const auto last = static_cast<ptrdiff_t>(std::min(start + kLeafBucketsMax / 2, whole->buckets.size()));
    auto part = std::make_shared<CountTree::Leaf>();
    part->separators = std::make_shared<const std::vector<std::string>>(whole->separators->begin() + first,
                                                                        whole->separators->begin() + last);
    part->buckets.assign(whole->buckets.begin() + first, whole->buckets.begin() + last);
    for (const CountTree::Bucket& bucket : part->buckets) part->live += bucket.live;
    part->edition = edition_;
    parts.push_back(std::move(part));
  }
  const auto place = tree_.leaves().erase(tree_.leaves().begin() + static_cast<ptrdiff_t>(leaf_position));
  tree_.leaves().insert(place, parts.begin(), parts.end());
}

// No row knows of leaves.
void KeyCounts::JoinWithNextLeaf(size_t leaf_position) {
  if (leaf_position + 1 == tree_.leaves().size()) return;
  const std::shared_ptr<CountTree::Leaf> next = tree_.leaves()[leaf_position + 1];
  const size_t buckets = tree_.leaves()[leaf_position]->buckets.size();
  if (std::min(buckets, next->buckets.size()) >= kLeafBucketsMin || buckets + next->buckets.size() > kLeafBucketsMax)
    return;
  CountTree::Leaf& leaf = MutableLeaf(leaf_position);
  std::vector<std::string> separators = *leaf.separators;
  separators.insert(separators.end(), next->separators->begin(), next->separators->end());
  leaf.separators = std::make_shared<const std::vector<std::string>>(std::move(separators));
  leaf.buckets.insert(leaf.buckets.end(), next->buckets.begin(), next->buckets.end());
  leaf.live += next->live;
  tree_.leaves().erase(tree_.leaves().begin() + static_cast<ptrdiff_t>(leaf_position) + 1);
}

}  // namespace regent::storage
