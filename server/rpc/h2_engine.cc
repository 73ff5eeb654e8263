#include "server/rpc/h2_engine.h"

#include <atomic>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "server/rpc/h2_worker.h"
#include "server/runtime/clock.h"

namespace regent::server {
namespace {

class H2Engine final : public RpcEngine {
 public:
  H2Engine(Options options, Metrics& metrics)
      : options_(std::move(options)), methods_(std::move(options_.methods), metrics, options_.metrics_detail) {
    CHECK_GT(options_.threads, 0);
    for (int i = 0; i < options_.threads; ++i) workers_.push_back(std::make_shared<H2Worker>(options_, methods_));
    for (const std::shared_ptr<H2Worker>& worker : workers_) worker->Start();
  }
  ~H2Engine() override { CHECK(workers_.empty()) << "destroyed before Shutdown"; }

  void AddConnection(int fd) override {
    const size_t turn = next_.fetch_add(1, std::memory_order_relaxed);
    workers_[turn % workers_.size()]->AddConnection(OwnedFd(fd));
  }

  void Shutdown(std::chrono::nanoseconds drain) override {
    const MonotonicTime deadline = SteadyNow() + std::chrono::duration_cast<Duration>(drain);
    for (const std::shared_ptr<H2Worker>& worker : workers_) worker->BeginShutdown(deadline);
    for (const std::shared_ptr<H2Worker>& worker : workers_) worker->Join();
    workers_.clear();
  }

 private:
  Options options_;
  MethodTable methods_;
  std::vector<std::shared_ptr<H2Worker>> workers_;
  std::atomic<size_t> next_{0};
};

}  // namespace

std::unique_ptr<RpcEngine> StartH2Engine(RpcEngine::Options options, Metrics& metrics) {
  return std::make_unique<H2Engine>(std::move(options), metrics);
}

}  // namespace regent::server
