// What the leader knows about one other node, and how much it may send to it.
//
//   kProbe      the leader looks for the last entry in common: one append at a time, the next after an answer or a
//               heartbeat's answer
//   kReplicate  entries are sent ahead of acknowledgements, bounded in messages and bytes
//   kSnapshot   the log no longer holds what the node needs: nothing is sent until SnapshotReported
//
// Losses are found by the next append (its previous entry is missing there, it is rejected) or, when nothing follows,
// by the empty append after the answer to a heartbeat.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "raft/log.h"
#include "raft/options.h"
#include "raft/types.h"

namespace regent::raft {

struct Progress {
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };
  struct InFlight {
    Index last;
    uint64_t bytes;
  };
  struct Place {
    Index index;
    Term term;
  };

  State state = State::kProbe;
  Index match;        // acknowledged as durable there
  Index next;         // the next entry to send
  Index commit_sent;  // the newest commit index it was told in an append
  bool probe_out = false;
  bool nudge = false;  // send an append even if it is empty: the node may have missed the last one
  bool recently_heard = false;
  uint64_t read_context = 0;       // newest round of reads it confirmed
  std::deque<InFlight> in_flight;  // kReplicate: appends with entries, oldest first
  uint64_t in_flight_bytes = 0;
  bool fetching = false;             // a LogFetch for it is out
  std::optional<Place> before_next;  // the term of the entry before one that only the disk holds

  bool MaySendEntries(const CoreOptions& options) const;
  void Sent(Index last, uint64_t bytes);  // an append with entries left
  void ProbeFrom(Index first);
  void ReplicateFrom(Index first);

  // False: the answer says nothing new (late or repeated).
  bool Accepted(Index acknowledged);
  // `hint`: the newest index at which both logs may agree. False: the answer is a late one.
  bool Rejected(Index rejected, Index hint);

 private:
  void ClearInFlight();
};

}  // namespace regent::raft
