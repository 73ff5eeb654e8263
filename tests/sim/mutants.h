// Planted bugs by name: those of the node itself, and those of the store under it, which a wrapper spoils. The checkers
// of the simulation must find every one of them.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "server/node/mutants.h"
#include "storage/state_machine.h"

namespace regent::sim {

struct StoreMutants {
  bool ranges_skipped_in_replay = false;     // what nobody waits for is applied without its ranges
  bool tombstone_lost_at_compacted = false;  // a delete at the compacted revision is gone with the compaction
  bool event_of_last_turn_again = false;     // the events of a turn begin with one of the turn before
  bool hash_of_revision_before = false;      // what is hashed for a revision is what was there before it
};

struct Mutants {
  server::NodeMutants node;
  StoreMutants store;
  bool second_life_heard = false;  // who begins anew under a member's id is listened to
};

// Those that one node can have, and those that need a cluster.
const std::vector<std::string_view>& MutantNames();
const std::vector<std::string_view>& ClusterMutantNames();
// False when there is no such bug.
bool Plant(std::string_view name, Mutants* mutants);

// `machine` itself when no bug of the store is planted. `known`: entries up to it were applied in an earlier life.
std::unique_ptr<storage::StateMachine> Spoil(std::unique_ptr<storage::StateMachine> machine, StoreMutants mutants,
                                             raft::Index known);

}  // namespace regent::sim
