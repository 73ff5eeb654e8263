// What members say to each other beside the protocol: on behalf of clients that are connected to one of them and need
// the leader. A note may be lost like any message; none is ever sent twice.
//
// Writes, at most once: the member that took a write from a client sends its command to the leader and waits for the
// entry to come through its own log. So there is no answer but the one for a write that was certainly not proposed.
// Whatever else happens to it is told by its deadline or by a change of leaders: the outcome is unknown then.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "api/contract/types.h"
#include "storage/snapshot.h"

namespace regent::server {

// To the leader: commands with the sender's request ids, to be proposed in this order.
struct ForwardedWrites {
  std::vector<std::string> commands;
  bool operator==(const ForwardedWrites&) const = default;
};

// Back: the command with this sequence of yours was not proposed here, and why; never OK.
struct WriteRefused {
  uint64_t sequence = 0;
  absl::Status why;
  bool operator==(const WriteRefused&) const = default;
};

// To the leader: what it alone knows about a lease.
struct LeaseQuestion {
  enum class Kind : uint8_t { kRenew = 0, kTimeToLive = 1, kTimeToLiveAndKeys = 2 };
  uint64_t number = 0;  // never used before by this sender
  Kind kind = Kind::kRenew;
  api::LeaseId lease;
  bool operator==(const LeaseQuestion&) const = default;
};

// Back. Whether the lease exists is told by the times: as in the results of backend.h.
struct LeaseAnswer {
  enum class Outcome : uint8_t { kDone = 0, kNotLeader = 1, kTimeout = 2, kStopped = 3 };
  uint64_t number = 0;
  Outcome outcome = Outcome::kDone;
  int64_t ttl = 0;
  int64_t granted_ttl = 0;
  std::vector<std::string> keys;
  bool operator==(const LeaseAnswer&) const = default;
};

// Leader to a member whose entries it does not have any more: a snapshot that can be fetched. The one who fetches keeps
// the pace and asks again for what was lost.
struct SnapshotOffer {
  uint64_t number = 0;  // of this leader, never used before
  raft::Term term;      // of the leader
  storage::SnapshotFacts facts;
  std::vector<storage::SnapshotFile> files;
  bool operator==(const SnapshotOffer&) const = default;
};

// Back: the next piece, please.
struct SnapshotFetch {
  uint64_t number = 0;
  uint64_t file = 0;  // its place in the offer
  uint64_t offset = 0;
  bool operator==(const SnapshotFetch&) const = default;
};

// The bytes from there on. Goes by a connection of its own, behind which nothing waits.
struct SnapshotPiece {
  uint64_t number = 0;
  uint64_t file = 0;
  uint64_t offset = 0;
  std::string bytes;  // never empty
  bool operator==(const SnapshotPiece&) const = default;
};

// Back: nothing more is needed, because the snapshot is installed, or given up.
struct SnapshotEnd {
  uint64_t number = 0;
  bool installed = false;
  bool operator==(const SnapshotEnd&) const = default;
};

using PeerNote = std::variant<ForwardedWrites, WriteRefused, LeaseQuestion, LeaseAnswer, SnapshotOffer, SnapshotFetch,
                              SnapshotPiece, SnapshotEnd>;

}  // namespace regent::server
