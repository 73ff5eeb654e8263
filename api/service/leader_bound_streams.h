// The open streams whose clients want to be sent away when there is no leader (metadata `hasleader: true`, which
// kube-apiserver sets on every watch).
//
// Threads: any. The mutex guards the map alone; no call is touched under it.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "api/service/call.h"

namespace regent::api {

class LeaderBoundStreams {
 public:
  // Keeps a stream registered as long as it lives. Must not outlive the LeaderBoundStreams.
  class Registration {
   public:
    Registration(LeaderBoundStreams& streams, const std::shared_ptr<Call>& call)
        : streams_(streams), call_(call.get()) {
      streams_.Add(call);
    }
    ~Registration() { streams_.Remove(call_); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    LeaderBoundStreams& streams_;
    const Call* const call_;
  };

  // Finishes every registered stream with ErrNoLeader. Finishing twice does no harm.
  void LeaderLost();

 private:
  void Add(const std::shared_ptr<Call>& call);
  void Remove(const Call* call);

  std::mutex mutex_;
  std::map<const Call*, std::weak_ptr<Call>> calls_;  // guarded by mutex_
};

}  // namespace regent::api
