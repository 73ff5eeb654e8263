// Unary calls by name with bytes in and out, many at a time, on one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace regent::crash {

class RpcClient {
 public:
  // Called by Run, which may be entered again from there through Start.
  using Done = std::function<void(absl::StatusOr<std::string> response)>;

  // Plain text. Calls are spread over `connections`.
  RpcClient(const std::string& endpoint, int connections);
  ~RpcClient();

  void Start(const std::string& method, const std::string& request, std::chrono::milliseconds deadline, Done done);
  // Until no call is under way.
  void Run();

  // One call, waited for.
  absl::StatusOr<std::string> Call(const std::string& method, const std::string& request,
                                   std::chrono::milliseconds deadline);

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace regent::crash
