// Questions to the leader that wait for its answer: leases live where the leader is. A question is asked once; when it
// is lost, or the leader, the caller hears so at its deadline or at the change of leaders, and may ask again.
//
// Owner: the raft loop. Answers are given on it.
#pragma once

#include <cstdint>
#include <map>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/node/node_options.h"

namespace regent::server {

class LeaderQuestions {
 public:
  using Answered = absl::AnyInvocable<void(absl::StatusOr<LeaseAnswer>)>;

  // `first_number`: beyond all that an earlier life of this member has used, as a random place is.
  LeaderQuestions(const NodeSeams& seams, uint64_t first_number)
      : loop_(seams.raft_loop), transport_(seams.transport), last_number_(first_number) {}

  void Ask(raft::NodeId leader, LeaseQuestion::Kind kind, api::LeaseId lease, MonotonicTime deadline,
           Answered answered);
  void OnAnswer(LeaseAnswer answer);
  void Tick();  // deadlines
  void FailAll(const absl::Status& status);

 private:
  struct Waiting {
    MonotonicTime deadline;
    Answered answered;
  };

  Loop& loop_;
  Transport& transport_;
  uint64_t last_number_;
  std::map<uint64_t, Waiting> waiting_;  // by number
};

}  // namespace regent::server
