// Tells a member that comes back from one that has lost its data folder and begins anew under its old id.
//
// The second one has forgotten for whom it voted and what it acknowledged; a cluster that counts its votes can lose
// acknowledged writes or have two leaders. Every data folder has an incarnation, a random number:
//   1. A member names it in every hello, and publishes it through the log into its row of the member list. From then on
//      each member knows it for good, and refuses a hello with the same id and another incarnation.
//   2. Until then the one that was heard first counts here, while this process lives; whoever asks for the members is
//      told that, too. The other one is refused and not told to end: who was first may have been a stranger.
//   3. A member that starts without a folder asks the others and does not start when they know an earlier life of it.
//      One that nobody could warn is refused when it introduces itself, or finds its row in the log, and ends at once.
//
// What remains: a member that is lost in its first minute, before the others have its row in their flushed stores, is
// taken for the new one by those that never heard of it or were restarted since; so is a copy of a folder that is older
// than what it acknowledged.
//
// Safe for all threads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "api/contract/requests.h"
#include "raft/types.h"
#include "server/peer/hello.h"
#include "server/runtime/mutex.h"

namespace regent::server {

// What the operator is told of a member whose folder is gone.
std::string ForgotText(uint64_t member);

class Incarnations {
 public:
  // Who they are, with what they have published; others are not remembered.
  void SetMembers(const std::vector<api::Member>& members);
  // Of a member that has none known so far the hello's counts from now on. A sender that does not say, and one that is
  // not a member, is let through.
  std::optional<Refusal> Judge(const Hello& hello);
  // With what was heard of those that have published nothing.
  std::vector<api::Member> Complete(std::vector<api::Member> members) const;

 private:
  struct Known {
    uint64_t incarnation = 0;  // 0: none so far
    bool published = false;
  };

  mutable Mutex mutex_;
  std::map<uint64_t, Known> known_ ABSL_GUARDED_BY(mutex_);  // by member
};

}  // namespace regent::server
