// Asks members now and then for the hash of their data: what one says of a revision is what a replay of the log has
// there, which never purges.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/node/node.h"
#include "tests/sim/truth.h"

namespace regent::sim {

class HashChecker {
 public:
  HashChecker(const Truth& truth, Verdict& verdict, uint64_t& checked)
      : truth_(truth), verdict_(verdict), checked_(checked) {}

  void Ask(server::Node& node) {
    node.HashKv(0, [this](const absl::StatusOr<api::HashKvResult>& said) {
      if (said.ok()) Check(*said);
    });
  }

 private:
  void Check(const api::HashKvResult& said) {
    const std::atomic<bool> stop{false};
    const absl::StatusOr<api::HashKvResult> replayed = truth_.replay().view()->HashKv(said.hash_revision, stop);
    if (!replayed.ok() || replayed->compact_revision != said.compact_revision) return;  // compacted meanwhile
    ++checked_;
    if (replayed->hash == said.hash) return;
    verdict_.Broken(absl::StrCat("a member's data at revision ", said.hash_revision, " have the hash ", said.hash,
                                 ", those of a replay ", replayed->hash));
  }

  const Truth& truth_;
  Verdict& verdict_;
  uint64_t& checked_;
};

}  // namespace regent::sim
