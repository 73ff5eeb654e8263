// An operator who changes the members all the time, by etcd's calls: adds a learner, promotes it when it keeps up, now
// and then gives one up, removes a voter when there are enough, and replaces one whose disk is lost.
//
// One change at a time, each after a linearizable look at the list: what an unanswered call has done is seen there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "server/node/node.h"
#include "tests/sim/scheduler.h"

namespace regent::sim {

struct MembershipCounters {
  uint64_t adds = 0, promotions = 0, promotions_refused = 0, removals = 0, changes_failed = 0, disks_lost = 0;
};

class MembershipClient {
 public:
  struct Events {                             // on the loop
    std::function<server::Node*()> any_node;  // one that runs; null: none does
    // Is in the list, and was not before: to be started with what the list says.
    std::function<void(uint64_t id, const std::vector<api::Member>& list)> on_new;
    std::function<void(uint64_t id)> on_gone;  // is not in the list any more
  };

  // `first`: whom the cluster began with.
  MembershipClient(Loop& loop, uint64_t seed, const std::vector<api::Member>& first, Events events,
                   MembershipCounters& counters);

  // The next step, unless one is under way.
  void Act();
  // The member never comes back: it is removed before anything else is changed. False: the others might not do without
  // it, or a change is under way.
  bool Lose(uint64_t id);
  // The node that was asked is gone, perhaps, and its answer with it.
  void GiveUp() { ++epoch_, busy_ = false; }

 private:
  void Reconcile(const std::vector<api::Member>& list);
  void Choose(const std::vector<api::Member>& list);
  void Propose(api::WriteRequest request, uint64_t* counter);
  void Add();

  Loop& loop_;
  std::mt19937_64 random_;
  const size_t size_;
  const Events events_;
  MembershipCounters& counters_;
  std::set<uint64_t> known_;
  size_t voters_;  // in the last list
  std::optional<uint64_t> lost_;
  bool busy_ = false;
  bool unknown_ = false;  // what the last change has done is not known
  uint64_t epoch_ = 0;
  MonotonicTime busy_since_;
  uint64_t addresses_ = 0;
};

}  // namespace regent::sim
