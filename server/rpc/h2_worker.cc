#include "server/rpc/h2_worker.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "glog/logging.h"
#include "server/runtime/clock.h"

namespace regent::server {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr uint64_t kWakeUp = 0;  // no connection has this number

thread_local const H2Worker* this_worker = nullptr;  // whose turn or handlers run on this thread

}  // namespace

H2Worker::H2Worker(const RpcEngine::Options& options, MethodTable& methods)
    : options_(options),
      methods_(methods),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  PCHECK(epoll_.get() >= 0 && wake_.get() >= 0);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeUp}};
  PCHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0);
}

H2Worker::~H2Worker() { CHECK(!thread_.joinable()) << "destroyed before Join"; }

void H2Worker::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "rpc");
}

// ---- from any thread -----------------------------------------------------------------------------------------------

void H2Worker::AddConnection(OwnedFd fd) {
  {
    const MutexLock lock(outbox_mutex_);
    arrived_.push_back(std::move(fd));
    has_posts_.store(true);
  }
  Wake();
}

void H2Worker::Post(Outgoing outgoing) {
  {
    const MutexLock lock(outbox_mutex_);
    outbox_.push_back(std::move(outgoing));
    has_posts_.store(true);
  }
  if (this_worker == this) return;  // the round that runs takes it
  TaskScope::Defer(shared_from_this());
}

void H2Worker::RunDeferred() {
  bool wake = true;
  if (turn_.TryLock()) {
    // A call that dies in this turn posts; that must not begin a turn inside this one.
    const H2Worker* const before = std::exchange(this_worker, this);
    Send();
    this_worker = before;
    wake = !events_.empty() || !dirty_.empty() || phase_ != Phase::kServing;
    turn_.Unlock();
  }
  // Posted after the outbox was emptied, or while somebody else's turn ran.
  if (wake || has_posts_.load()) Wake();
}

void H2Worker::Wake() {
  if (!sleeping_.exchange(false)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void H2Worker::BeginShutdown(MonotonicTime deadline) {
  shutdown_deadline_.store(std::max<int64_t>(1, deadline.time_since_epoch().count()));
  Wake();
}

void H2Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

// ---- the thread ----------------------------------------------------------------------------------------------------

void H2Worker::Run() {
  this_worker = this;
  std::array<epoll_event, 128> ready;
  next_tick_ = SteadyNow() + kTick;
  while (true) {
    sleeping_.store(true);
    const int timeout = HasWork() ? 0 : TimeoutMilliseconds(SteadyNow());
    const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), timeout);
    sleeping_.store(false);
    const MonotonicTime now = SteadyNow();
    {
      const MutexLock lock(turn_);
      Adopt();
      Read({ready.data(), static_cast<size_t>(std::max(count, 0))}, now);
      if (now >= next_tick_) TickAll(now);
      AdvanceShutdown(now);
    }
    // What handlers answer is sent after them; sending may concern further handlers.
    RunEvents();
    {
      const MutexLock lock(turn_);
      Send();
    }
    RunEvents();
    const MutexLock lock(turn_);
    if (phase_ == Phase::kEnded && events_.empty()) return;
  }
}

void H2Worker::Read(std::span<const epoll_event> ready, MonotonicTime now) {
  for (const epoll_event& event : ready) {
    if (event.data.u64 == kWakeUp) {
      uint64_t wakes;
      [[maybe_unused]] const ssize_t size = read(wake_.get(), &wakes, sizeof wakes);
      continue;
    }
    const auto found = connections_.find(event.data.u64);
    if (found == connections_.end()) continue;
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) found->second->OnHangUp();
    if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) unread_.insert(found->first);
    dirty_.insert(found->second.get());
  }
  for (const uint64_t id : std::exchange(unread_, {})) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    if (found->second->OnReadable(now)) unread_.insert(id);
    dirty_.insert(found->second.get());
  }
}

bool H2Worker::RunEvents() {
  std::vector<CallEvent> events;
  {
    const MutexLock lock(turn_);
    events.swap(events_);
  }
  for (CallEvent& event : events) event.Run();
  return !events.empty();
}

bool H2Worker::HasWork() {
  if (has_posts_.load()) return true;
  const MutexLock lock(turn_);
  if (phase_ == Phase::kServing && shutdown_deadline_.load() != 0) return true;  // nobody wakes the thread twice
  return !events_.empty() || !unread_.empty() || !dirty_.empty() || phase_ == Phase::kEnded;
}

int H2Worker::TimeoutMilliseconds(MonotonicTime now) {
  using std::chrono::milliseconds;
  const MutexLock lock(turn_);
  if (connections_.empty() && phase_ == Phase::kServing) return -1;
  const auto left = std::chrono::ceil<milliseconds>(next_tick_ - now);
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1000));
}

void H2Worker::Adopt() {
  std::vector<OwnedFd> arrived;
  {
    const MutexLock lock(outbox_mutex_);
    arrived.swap(arrived_);
  }
  for (OwnedFd& fd : arrived) {
    const uint64_t id = ++last_connection_;
    const int number = fd.get();
    auto connection = std::make_unique<H2Connection>(
        id, std::move(fd), H2Connection::Environment{options_, methods_, shared_from_this(), events_}, SteadyNow());
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = id}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event) != 0) {
      PLOG(ERROR) << "a connection is dropped: the limit of watched sockets";
      continue;
    }
    dirty_.insert(connection.get());
    if (phase_ != Phase::kServing) connection->GoAway();
    connections_.emplace(id, std::move(connection));
  }
}

// Takes in the answers, sends what there is, buries the dead.
void H2Worker::Send() {
  {
    const MutexLock lock(outbox_mutex_);
    taken_.swap(outbox_);
    has_posts_.store(!arrived_.empty());
  }
  for (Outgoing& outgoing : taken_) {
    const auto found = connections_.find(outgoing.to.connection);
    if (found == connections_.end()) continue;
    const int32_t stream = outgoing.to.stream;
    found->second->Answer(stream, std::move(outgoing));
    dirty_.insert(found->second.get());
  }
  taken_.clear();
  std::erase_if(dirty_, [this](H2Connection* connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    const bool has_more = connection->Flush();
    if (connection->dead()) connections_.erase(connection->id());
    return !has_more;
  });
}

void H2Worker::TickAll(MonotonicTime now) {
  next_tick_ = now + kTick;
  for (auto& [id, connection] : connections_) {
    connection->Tick(now);
    dirty_.insert(connection.get());
  }
}

void H2Worker::AdvanceShutdown(MonotonicTime now) {
  const int64_t deadline = shutdown_deadline_.load();
  if (deadline == 0 || phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kServing) {
    phase_ = Phase::kDraining;
    for (auto& [id, connection] : connections_) {
      connection->GoAway();
      dirty_.insert(connection.get());
    }
  }
  const bool late = now.time_since_epoch().count() >= deadline;
  const bool drained =
      std::all_of(connections_.begin(), connections_.end(), [](const auto& entry) { return entry.second->drained(); });
  if (!late && !drained) {
    next_tick_ = std::min(next_tick_, now + std::chrono::milliseconds(5));
    return;
  }
  for (auto& [id, connection] : connections_) {
    connection->CancelAll(absl::UnavailableError("etcdserver: server stopped"));
    connection->Flush();  // as far as the socket takes it
  }
  dirty_.clear();
  connections_.clear();
  phase_ = Phase::kEnded;
}

}  // namespace regent::server
