// An engine thread of the HTTP/2 engine with its connections.
//
// The state of the connections is touched in *turns*, under one lock. The thread's own round: wait for the sockets; a
// turn that reads what came; the handlers, outside the lock; a turn that takes in what was answered and sends, once per
// connection.
//
// Answers come from other threads into the outbox. Whoever posted makes a turn of its own when its task ends (see
// after_task.h), if none is running: so an answer needs no wake-up, and a task that answers many calls sends once per
// connection. If a turn is running, the thread looks again before it sleeps. Handlers run on the thread alone.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "server/rpc/h2_connection.h"
#include "server/runtime/after_task.h"
#include "server/runtime/mutex.h"

namespace regent::server {

class H2Worker final : public CallOutbox, public Deferred, public std::enable_shared_from_this<H2Worker> {
 public:
  // Both must outlive Join.
  H2Worker(const RpcEngine::Options& options, MethodTable& methods);
  ~H2Worker() override;

  void Start();
  void AddConnection(OwnedFd fd);
  void Post(Outgoing outgoing) override;
  void RunDeferred() override;  // the turn of somebody who posted

  // No new calls; those that run have until `deadline`, then they are cancelled and the thread ends.
  void BeginShutdown(MonotonicTime deadline);
  void Join();

 private:
  enum class Phase : uint8_t { kServing, kDraining, kEnded };

  void Run();
  void Read(std::span<const epoll_event> ready, MonotonicTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void Send() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void Adopt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void TickAll(MonotonicTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void AdvanceShutdown(MonotonicTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  bool RunEvents();
  bool HasWork();
  int TimeoutMilliseconds(MonotonicTime now);
  void Wake();

  const RpcEngine::Options& options_;
  MethodTable& methods_;
  const OwnedFd epoll_;
  const OwnedFd wake_;
  std::atomic<bool> sleeping_{false};

  Mutex outbox_mutex_;  // after turn_
  std::vector<Outgoing> outbox_ ABSL_GUARDED_BY(outbox_mutex_);
  std::vector<OwnedFd> arrived_ ABSL_GUARDED_BY(outbox_mutex_);
  std::atomic<bool> has_posts_{false};
  std::atomic<int64_t> shutdown_deadline_{0};  // of the steady clock; 0: serving

  Mutex turn_;
  std::unordered_map<uint64_t, std::unique_ptr<H2Connection>> connections_ ABSL_GUARDED_BY(turn_);
  std::unordered_set<H2Connection*> dirty_ ABSL_GUARDED_BY(turn_);  // may have something to send
  std::unordered_set<uint64_t> unread_ ABSL_GUARDED_BY(turn_);      // had more to read than a turn takes
  std::vector<CallEvent> events_ ABSL_GUARDED_BY(turn_);            // for the handlers
  std::vector<Outgoing> taken_ ABSL_GUARDED_BY(turn_);
  uint64_t last_connection_ ABSL_GUARDED_BY(turn_) = 0;
  Phase phase_ ABSL_GUARDED_BY(turn_) = Phase::kServing;

  MonotonicTime next_tick_;  // of the thread
  std::thread thread_;
};

}  // namespace regent::server
