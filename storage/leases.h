// Leases and which keys hang on them, as replicated; when a lease ends is decided elsewhere, and comes as a revoke.
//
//   row 'm' 'l' id:8        -> ttl:v        in memory too
//   row 'm' 'k' id:8 key    -> empty        in the engine alone, and here while not yet written
//
// Changes are noted and become rows only when an entry ends (WriteRows), because the chunks of a large entry hold no
// links. Invariant: (id, key) is here exactly when the newest version of the key is live and carries the lease id.
//
// Owner: the apply loop.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/contract/types.h"
#include "storage/engine.h"

namespace regent::storage {

// The ttl in a lease's row; nullopt: malformed.
std::optional<int64_t> ParseLeaseTtl(std::string_view value);

class Leases {
 public:
  explicit Leases(const Engine& engine);

  bool Contains(int64_t id) const { return ttls_.contains(id); }
  const std::map<int64_t, int64_t>& ttls() const { return ttls_; }

  void Grant(int64_t id, int64_t ttl);
  // REQUIRES: no key hangs on it.
  void Remove(int64_t id);

  void Attach(int64_t id, std::string_view key);
  void Detach(int64_t id, std::string_view key);
  std::vector<std::string> Keys(int64_t id) const;  // ascending

  // Adds the rows of what was noted since the last call.
  void WriteRows(Batch& batch);
  // The batches of all WriteRows so far are in the engine.
  void Written() { in_batch_.clear(); }

 private:
  using Rows = std::map<std::string, std::optional<std::string>, std::less<>>;  // nullopt: a deleted row

  const Engine& engine_;
  std::map<int64_t, int64_t> ttls_;
  Rows noted_;
  Rows in_batch_;
};

}  // namespace regent::storage
