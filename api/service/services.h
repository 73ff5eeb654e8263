// All services of the server, as the list of methods that an RPC engine registers.
//
// Methods that etcd has and this server has not are in the list too, so that the answer is ours: Unimplemented with a
// text that names the method. (kube-apiserver takes that for RangeStream as "use Range".)
//
//   Services services(node, {.now = clock});
//   engine.Register(services.Methods());      // the engine stops before `services` goes
//   services.LeaderLost();                    // by the node, when the leader stays away
#pragma once

#include <vector>

#include "api/service/backend.h"
#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

class Services {
 public:
  // `backend` outlives the services; `options.now` must be set.
  Services(Backend& backend, ServiceOptions options);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // They refer to this object.
  std::vector<Method> Methods();

  // To be called when there has been no leader for three election timeouts, and again after each further one: ends the
  // streams whose clients asked for it (metadata `hasleader`) with ErrNoLeader. From any thread.
  void LeaderLost() { context_.leader_bound_streams().LeaderLost(); }

 private:
  ServiceContext context_;
};

}  // namespace regent::api
