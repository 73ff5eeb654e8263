// The first entry of a cluster's log, and what the core is started with.
//
// Every member that a cluster begins with writes the same entry 1 of term 1: the configuration and who the members are.
// It counts as committed: no other can ever stand there, because nobody campaigns for term 1.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "raft/options.h"
#include "server/node/node_options.h"
#include "storage/log_store.h"
#include "storage/state_machine.h"

namespace regent::server {

// Into a log that was just created; `recovered` then says what the log holds. Does nothing when the log has entries.
absl::Status WriteBootstrapEntry(storage::LogStore& log, const std::vector<api::Member>& members,
                                 storage::RecoveredLog* recovered);

// Who is named by the request that came with a configuration: those that a cluster begins with, or who joins. They must
// be reached before the entry can be committed.
inline constexpr raft::Index kToldWhenJoining{UINT64_MAX};  // in an entry's place
struct NamedMember {
  raft::Index index;  // of the entry
  api::Member member;
};
std::vector<NamedMember> MembersNamedIn(const raft::Entry& configuration);

// DataLoss when the store has applied what the log does not have, or the log begins behind it.
absl::Status CheckAgainstStore(raft::Index applied, const storage::RecoveredLog& recovered);

struct NodeStart {
  raft::CoreStart core;
  std::vector<NamedMember> named;  // in the log, behind what is applied
};

// From what log and store hold. DataLoss when they contradict each other. Without any configuration in them: the one
// that a joining member was told, or else this member alone.
absl::StatusOr<NodeStart> MakeNodeStart(const NodeSeams& seams, const NodeOptions& options,
                                        const storage::RecoveredLog& recovered);

}  // namespace regent::server
