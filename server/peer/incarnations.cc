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
  std::map<uint64_t, Known> known;
  for (const api::Member& member : members) {
    const auto heard = known_.find(member.id);
    const bool published = member.incarnation != 0;
    known[member.id] = published || heard == known_.end() ? Known{member.incarnation, published}
                                                          : Known{heard->second.incarnation, false};
  }
  known_ = std::move(known);
}

std::optional<Refusal> Incarnations::Judge(const Hello& hello) {
  const MutexLock lock(mutex_);
  const auto found = known_.find(hello.from.value);
  if (found == known_.end() || hello.incarnation == 0) return std::nullopt;
  Known& known = found->second;
  if (known.incarnation == 0) known.incarnation = hello.incarnation;
  if (known.incarnation == hello.incarnation) return std::nullopt;
  if (known.published) return Refusal{RefusalReason::kForgot, ForgotText(hello.from.value)};
  return Refusal{RefusalReason::kOther, "another process with another data folder has introduced itself as member " +
                                            Hexadecimal(hello.from.value)};
}

std::vector<api::Member> Incarnations::Complete(std::vector<api::Member> members) const {
  const MutexLock lock(mutex_);
  for (api::Member& member : members) {
    const auto heard = known_.find(member.id);
    if (member.incarnation == 0 && heard != known_.end()) member.incarnation = heard->second.incarnation;
  }
  return members;
}

}  // namespace regent::server
