// The newest version of recently used keys, as the apply loop has left them, so that an update costs no read. Bounded:
// two halves, and what is not used while the young half fills up is forgotten with the old one.
//
// Owner: the apply loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "storage/keys.h"

namespace regent::storage {

struct Head {
  bool live = false;        // otherwise there is no version, or a tombstone, and nothing below counts
  bool rest_known = false;  // `rest` is the stored value: kept when it is small
  Position position;
  int64_t create_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  int64_t weight = 0;  // VersionWeight
  std::string rest;
};

class HeadCache {
 public:
  explicit HeadCache(size_t bytes_max) : half_bytes_max_(bytes_max / 2) {}

  // Null when the key is not known. What it points to may be assigned, through Keep. Valid until the next call.
  Head* Find(std::string_view key);
  Head* Set(std::string_view key, Head head);

  // A head as the cache keeps it: without a large rest.
  static Head Keep(Head head);

  // Forgets what is over the bound. Only when the rows of all heads are in the engine.
  void Trim();

 private:
  using Heads = absl::flat_hash_map<std::string, Head>;

  const size_t half_bytes_max_;
  Heads young_;
  Heads old_;
  size_t young_bytes_ = 0;  // about
};

}  // namespace regent::storage
