// Disaster recovery: a cluster whose other members are lost for ever goes on with this one alone (--force-new-cluster).
//
// Works on the folder of a stopped member, before its node is made. Behind the last entry of the log comes one batch:
// for everybody else an entry that removes him, each with a configuration in which this member alone votes. They are of
// a new term, for which this member votes first. Afterwards the log is like any other: the node finds the configuration
// in it, elects itself, commits what is there, and forgets the others, whose ids never come back. One that was not lost
// after all is refused by those it meets, because it was removed.
//
// Crash points: the vote for the new term is harmless alone; the batch is found whole or not at all. So it is done, or
// can be done again. Done twice it changes nothing.
//
// Every entry that this member holds counts as committed. It cannot tell those that were acknowledged to clients from
// those that were not yet, so a write whose outcome was unknown may turn out to have happened, and none that was
// acknowledged and reached this member is lost. (etcd throws away what its last saved commit index does not cover.)
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "storage/log_store.h"
#include "storage/state_machine.h"

namespace regent::server {

// `self`: who this member is, in case its own row has not reached it. Returns whom it dropped; `recovered` is brought
// up to date. FailedPrecondition, in a sentence for the operator: there is nothing to go on with, or this member was
// removed.
absl::StatusOr<std::vector<uint64_t>> ForceNewCluster(storage::LogStore& log, const storage::StateMachine& store,
                                                      const api::Member& self, storage::RecoveredLog* recovered);

}  // namespace regent::server
