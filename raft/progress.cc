#include "raft/progress.h"

#include <algorithm>

namespace regent::raft {

bool Progress::MaySendEntries(const CoreOptions& options) const {
  if (fetching) return false;
  switch (state) {
    case State::kProbe:
      return !probe_out;
    case State::kReplicate:
      return in_flight.empty() ||
             (in_flight.size() < options.in_flight_messages_max && in_flight_bytes < options.in_flight_bytes_max);
    case State::kSnapshot:
      return false;
  }
  return false;
}

void Progress::Sent(Index last, uint64_t bytes) {
  if (state == State::kProbe) {
    probe_out = true;
    return;
  }
  next = Index{last.value + 1};
  in_flight.push_back({last, bytes});
  in_flight_bytes += bytes;
}

void Progress::ProbeFrom(Index first) {
  state = State::kProbe;
  next = first;
  probe_out = false;
  ClearInFlight();
}

void Progress::ReplicateFrom(Index first) {
  state = State::kReplicate;
  next = first;
  probe_out = false;
  ClearInFlight();
}

bool Progress::Accepted(Index acknowledged) {
  if (acknowledged < match || (acknowledged == match && state != State::kProbe)) return false;
  match = acknowledged;
  if (state == State::kProbe) {
    ReplicateFrom(Index{match.value + 1});
    return true;
  }
  next = std::max(next, Index{match.value + 1});
  if (state == State::kSnapshot)
    return true;  // perhaps the snapshot, perhaps late news; SnapshotReported ends the state
  while (!in_flight.empty() && in_flight.front().last <= match) {
    in_flight_bytes -= in_flight.front().bytes;
    in_flight.pop_front();
  }
  return true;
}

bool Progress::Rejected(Index rejected, Index hint) {
  if (state == State::kSnapshot || rejected <= match) return false;
  if (state == State::kProbe && rejected.value + 1 != next.value) return false;
  ProbeFrom(std::max(Index{match.value + 1}, Index{std::min(rejected.value, hint.value + 1)}));
  return true;
}

void Progress::ClearInFlight() {
  in_flight.clear();
  in_flight_bytes = 0;
}

}  // namespace regent::raft
