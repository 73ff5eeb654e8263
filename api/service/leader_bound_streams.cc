#include "api/service/leader_bound_streams.h"

#include <vector>

#include "api/contract/errors.h"

namespace regent::api {

void LeaderBoundStreams::LeaderLost() {
  std::vector<std::shared_ptr<Call>> calls;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [_, registered] : calls_) {
      if (std::shared_ptr<Call> call = registered.lock()) calls.push_back(std::move(call));
    }
  }
  for (const std::shared_ptr<Call>& call : calls) call->Finish(ErrNoLeader());
}

void LeaderBoundStreams::Add(const std::shared_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  calls_.emplace(call.get(), call);
}

void LeaderBoundStreams::Remove(const Call* call) {
  const std::lock_guard lock(mutex_);
  calls_.erase(call);
}

}  // namespace regent::api
