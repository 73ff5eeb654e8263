#include "server/peer/incarnations.h"

#include <utility>

#include "server/runtime/hexadecimal.h"

namespace regent::server {

std::string ForgotText(uint64_t member) {
  return "member " + Hexadecimal(member) +
         " has already been bootstrapped: its data folder is gone, so remove the member from the cluster and add it "
         "again";
}

void Incarnations::SetMembers(const std::vector<api::Member>& members) {
  const MutexLock lock(mutex_);
  std::map<uint64_t, uint64_t> known;
  for (const api::Member& member : members) {
    const auto heard = known_.find(member.id);
    const bool published = member.incarnation != 0 || heard == known_.end();
    known[member.id] = published ? member.incarnation : heard->second;
  }
  known_ = std::move(known);
}

std::optional<Refusal> Incarnations::Judge(const Hello& hello) {
  const MutexLock lock(mutex_);
  const auto known = known_.find(hello.from.value);
  if (known == known_.end() || hello.incarnation == 0) return std::nullopt;
  if (known->second == 0) known->second = hello.incarnation;
  if (known->second == hello.incarnation) return std::nullopt;
  return Refusal{RefusalReason::kForgot, ForgotText(hello.from.value)};
}

std::vector<api::Member> Incarnations::Complete(std::vector<api::Member> members) const {
  const MutexLock lock(mutex_);
  for (api::Member& member : members) {
    const auto heard = known_.find(member.id);
    if (member.incarnation == 0 && heard != known_.end()) member.incarnation = heard->second;
  }
  return members;
}

}  // namespace regent::server
