// How many live keys there are, for every range, without walking it: kube-apiserver reads the count on every page of a
// list. The key space is cut into buckets of about 64 to 256 keys; a bucket is [its separator, the next separator).
//
//   row 'n' separator -> live:v dead:v
//
// `live` is exact. `dead` is about how many tombstone rows still lie in the bucket: it only bounds how many rows the
// scan of a bucket's edge walks, so a bucket is cut when live + dead grows too large.
//
// Rows are written with every batch that ends an entry and hold exactly what the tree held then: cutting and merging
// never change a sum, so a crash at any place brings back a right tree.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/engine.h"
#include "storage/versions.h"

namespace regent::storage {

// An immutable tree of two levels once it is published.
class CountTree {
 public:
  struct Bucket {
    uint32_t live = 0;
    uint32_t dead = 0;
  };
  struct Leaf {
    std::shared_ptr<const std::vector<std::string>> separators;  // ascending, one for each bucket, at least one
    std::vector<Bucket> buckets;
    int64_t live = 0;      // sum
    uint64_t edition = 0;  // of the tree when this copy was made: the writer changes copies of its own edition in place
  };
  // Where a key belongs.
  struct Place {
    size_t leaf = 0;
    size_t bucket = 0;
    auto operator<=>(const Place&) const = default;
  };

  CountTree();

  // The writer's.
  std::vector<std::shared_ptr<Leaf>>& leaves() { return leaves_; }
  const std::vector<std::shared_ptr<Leaf>>& leaves() const { return leaves_; }

  Place Find(std::string_view key) const;
  const std::string& SeparatorAt(Place place) const { return (*leaves_[place.leaf]->separators)[place.bucket]; }
  const Bucket& BucketAt(Place place) const { return leaves_[place.leaf]->buckets[place.bucket]; }
  int64_t LiveBefore(Place place) const;  // in all buckets before this one
  int64_t live() const;                   // in all

  // Live keys of [key, range_end) at `through`, the place in the history that this tree stands for: sums of buckets and
  // a scan of the two at the edges.
  absl::StatusOr<int64_t> Count(const RowSource& rows, std::string_view key, std::string_view range_end,
                                Position through) const;

 private:
  std::vector<std::shared_ptr<Leaf>> leaves_;  // at least one; the first separator of all is ""
};

// The value of a count row; nullopt: malformed.
std::optional<CountTree::Bucket> ParseBucket(std::string_view value);

// The writer's side. Owner: the apply loop.
class KeyCounts {
 public:
  static KeyCounts Load(const Engine& engine);

  // The tree with everything that was noted.
  const CountTree& tree() const { return tree_; }
  // A tree that does not change any more.
  std::shared_ptr<const CountTree> Publish();

  void Created(std::string_view key) { Note(key, 1, 0); }
  void Deleted(std::string_view key) { Note(key, -1, 1); }
  void TombstonePurged(std::string_view key) { Note(key, 0, -1); }

  // Adds the rows that changed since the last call.
  void WriteRows(Batch& batch);

  // Cuts the buckets that have grown and merges those that have shrunk, as of `through`, which is everything noted.
  void Balance(const RowSource& rows, Position through);

 private:
  struct Piece {
    std::string separator;
    CountTree::Bucket bucket;
  };

  void Note(std::string_view key, int live, int dead);
  CountTree::Leaf& MutableLeaf(size_t leaf);
  void Cut(const std::string& separator, const RowSource& rows, Position through);
  std::vector<Piece> ScanBucket(CountTree::Place place, const RowSource& rows, Position through) const;
  void MergeWithNext(const std::string& separator);
  void Replace(size_t leaf, size_t first_bucket, size_t buckets, std::vector<Piece> pieces);
  void SplitLeaf(size_t leaf);
  void JoinWithNextLeaf(size_t leaf);

  CountTree tree_;
  std::shared_ptr<const CountTree> published_;
  uint64_t edition_ = 1;
  bool changed_ = true;               // since Publish
  std::set<std::string> unwritten_;   // separators of rows to write or to delete
  std::set<std::string> unbalanced_;  // separators of buckets to look at
};

}  // namespace regent::storage
