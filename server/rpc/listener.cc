#include "server/rpc/listener.h"

#include <glog/logging.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>
#include <thread>
#include <utility>

#include "server/rpc/http_connection.h"
#include "server/runtime/accepting.h"
#include "server/runtime/mutex.h"
#include "server/runtime/socket.h"

namespace regent::server {
namespace {

constexpr std::string_view kHttp2Preface = "PRI";  // its first bytes: no HTTP/1.1 method begins like this
constexpr int kEventsPerTurn = 256;

// Answers on their way from the threads of the backend to the listener's. Outlives the listener when a check is late.
class Answers {
 public:
  struct Answer {
    uint64_t connection = 0;
    HttpResponse response;
  };

  Answers() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { PCHECK(wake_.get() >= 0) << "eventfd"; }

  int wake_fd() const { return wake_.get(); }

  void Wake() {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // fails only when a wake-up is pending already
  }

  void Post(uint64_t connection, HttpResponse response) {
    {
      const MutexLock lock(mutex_);
      answers_.push_back(Answer{connection, std::move(response)});
    }
    Wake();
  }

  std::vector<Answer> Take() {
    uint64_t count = 0;
    (void)!read(wake_.get(), &count, sizeof count);
    const MutexLock lock(mutex_);
    return std::exchange(answers_, {});
  }

 private:
  const OwnedFd wake_;
  Mutex mutex_;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
};

// Time is counted in ticks of a timer of one second: nothing here needs to be more exact.
using Ticks = int64_t;

// A connection that has not shown its first bytes.
struct Undecided {
  OwnedFd fd;
  ListenAddress::Serves serves;
  Ticks expires = 0;
};

struct Http {
  HttpConnection connection;
  ListenAddress::Serves serves;
  HttpConnection::Phase phase = HttpConnection::Phase::kClosed;  // that `expires` was set for
  size_t held_bytes = 0;                                         // counted in held_bytes_
  Ticks expires = 0;
};

class EpollListener final : public Listener {
 public:
  EpollListener(Options options, HttpEndpoints& endpoints, std::function<void(int fd)> hand_over)
      : options_(std::move(options)), endpoints_(endpoints), hand_over_(std::move(hand_over)) {}
  ~EpollListener() override { Stop(); }

  absl::Status Open();
  const std::vector<ListenAddress>& addresses() const override { return options_.addresses; }
  void Start() override;
  void Stop() override;

 private:
  // What an epoll event carries: a reserved number, a listening socket's index, or a connection's id.
  static constexpr uint64_t kWakeEvent = 0, kTickEvent = 1, kFirstSocketEvent = 2;

  void Run();
  void OnEvent(uint64_t id);
  void Watch(int fd, uint64_t id, uint32_t events);

  void AddUndecided(OwnedFd fd, ListenAddress::Serves serves);
  void Decide(uint64_t id);
  void AddHttp(uint64_t id, OwnedFd fd, ListenAddress::Serves serves);

  void AdvanceHttp(uint64_t id);
  void DeliverAnswers();
  void Tick();
  bool CountHeldBytes(Http& http);
  void CloseHttp(std::map<uint64_t, Http>::iterator http);
  Ticks Lifetime(HttpConnection::Phase phase) const;

  Options options_;
  HttpEndpoints& endpoints_;
  const std::function<void(int fd)> hand_over_;
  const std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();

  std::thread thread_;
  std::atomic<bool> stopping_{false};

  // The thread's, once it runs.
  OwnedFd epoll_, timer_;
  Accepting accepting_{kFirstSocketEvent, "accepting"};
  Ticks now_ = 0;
  uint64_t next_id_ = 0;
  std::map<uint64_t, Undecided> undecided_;  // oldest first
  std::map<uint64_t, Http> http_;
  size_t held_bytes_ = 0;  // by all of them
};

absl::Status EpollListener::Open() {
  for (ListenAddress& address : options_.addresses) {
    if (absl::Status opened = accepting_.Open(address); !opened.ok()) return opened;
  }
  next_id_ = accepting_.end();
  epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
  timer_ = OwnedFd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (epoll_.get() < 0 || timer_.get() < 0) return absl::InternalError(std::strerror(errno));
  const itimerspec every_second{{1, 0}, {1, 0}};
  PCHECK(timerfd_settime(timer_.get(), 0, &every_second, nullptr) == 0) << "timerfd_settime";
  return absl::OkStatus();
}

void EpollListener::Start() {
  Watch(answers_->wake_fd(), kWakeEvent, EPOLLIN);
  Watch(timer_.get(), kTickEvent, EPOLLIN);
  accepting_.Set(epoll_.get(), true);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "listener");
}

void EpollListener::Stop() {
  if (thread_.joinable()) {
    stopping_.store(true);
    answers_->Wake();
    thread_.join();
  }
  undecided_.clear();
  http_.clear();
  for (size_t i = 0; i < accepting_.size(); ++i) {
    if (options_.addresses[i].is_unix) unlink(options_.addresses[i].host.c_str());
  }
  accepting_.Close();
}

void EpollListener::Run() {
  std::array<epoll_event, kEventsPerTurn> events;
  while (!stopping_.load()) {
    const int count = epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, -1);
    PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
    for (int i = 0; i < count; ++i) OnEvent(events[static_cast<size_t>(i)].data.u64);
  }
}

// An event may name a connection that an earlier event of the same turn has closed: ids are never used twice.
void EpollListener::OnEvent(uint64_t id) {
  if (id == kWakeEvent) return DeliverAnswers();
  if (id == kTickEvent) return Tick();
  if (accepting_.IsEvent(id)) {
    const size_t index = accepting_.IndexOf(id);
    return accepting_.Accept(epoll_.get(), index,
                             [&](OwnedFd fd) { AddUndecided(std::move(fd), options_.addresses[index].serves); });
  }
  if (undecided_.count(id) > 0) return Decide(id);
  AdvanceHttp(id);
}

void EpollListener::Watch(int fd, uint64_t id, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  PCHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) << "epoll_ctl of " << fd;
}

void EpollListener::AddUndecided(OwnedFd fd, ListenAddress::Serves serves) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // has no meaning for a unix socket, and fails there
  setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (undecided_.size() >= options_.undecided_connections_max) undecided_.erase(undecided_.begin());
  const uint64_t id = next_id_++;
  Watch(fd.get(), id, EPOLLIN | EPOLLRDHUP | EPOLLET);
  undecided_.emplace(id, Undecided{std::move(fd), serves, now_ + options_.first_bytes_timeout.count()});
}

void EpollListener::Decide(uint64_t id) {
  Undecided& connection = undecided_.at(id);
  std::array<char, kHttp2Preface.size()> first;
  const ssize_t size = recv(connection.fd.get(), first.data(), first.size(), MSG_PEEK);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    undecided_.erase(id);
    return;
  }
  const std::string_view seen(first.data(), static_cast<size_t>(size));
  const bool maybe_http2 = kHttp2Preface.substr(0, seen.size()) == seen;
  if (maybe_http2 && seen.size() < kHttp2Preface.size()) return;

  const ListenAddress::Serves serves = connection.serves;
  OwnedFd fd = std::move(connection.fd);
  undecided_.erase(id);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  const bool serves_rpc = serves == ListenAddress::Serves::kRpcAndHttp || serves == ListenAddress::Serves::kRpcOnly;
  if (maybe_http2) {
    if (serves_rpc) hand_over_(fd.Release());
  } else if (serves != ListenAddress::Serves::kRpcOnly) {
    AddHttp(id, std::move(fd), serves);
  }
}

void EpollListener::AddHttp(uint64_t id, OwnedFd fd, ListenAddress::Serves serves) {
  if (http_.size() >= options_.http_connections_max) return;
  const int raw_fd = fd.get();
  http_.emplace(id, Http{HttpConnection(std::move(fd), {.body_bytes_max = options_.http_body_bytes_max}), serves});
  Watch(raw_fd, id, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  AdvanceHttp(id);
}

void EpollListener::AdvanceHttp(uint64_t id) {
  const auto found = http_.find(id);
  if (found == http_.end()) return;
  Http& http = found->second;
  const HttpConnection::Phase phase = http.connection.Advance();
  if (!CountHeldBytes(http) || phase == HttpConnection::Phase::kClosed) return CloseHttp(found);
  if (phase == http.phase) return;  // slow progress inside a phase earns no more time
  http.phase = phase;
  http.expires = now_ + Lifetime(phase);
  if (phase != HttpConnection::Phase::kAnswering) return;
  const bool is_metrics = http.serves == ListenAddress::Serves::kMetrics;
  endpoints_.Handle(http.connection.request(),
                    is_metrics ? HttpEndpoints::Scope::kMetrics : HttpEndpoints::Scope::kClient,
                    [answers = answers_, id](HttpResponse response) { answers->Post(id, std::move(response)); });
}

// False when all together hold too much and this one is among those that hold more than a request without a body needs.
bool EpollListener::CountHeldBytes(Http& http) {
  held_bytes_ -= http.held_bytes;
  http.held_bytes = http.connection.held_bytes();
  held_bytes_ += http.held_bytes;
  return held_bytes_ <= options_.http_bytes_max || http.held_bytes <= HttpLimits().head_bytes_max;
}

void EpollListener::CloseHttp(std::map<uint64_t, Http>::iterator http) {
  held_bytes_ -= http->second.held_bytes;
  http_.erase(http);
}

void EpollListener::DeliverAnswers() {
  for (const Answers::Answer& answer : answers_->Take()) {
    const auto found = http_.find(answer.connection);
    if (found == http_.end()) continue;
    Http& http = found->second;
    http.connection.Answer(answer.response);
    http.phase = HttpConnection::Phase::kSending;  // so that a next request that is here already is seen as one
    http.expires = now_ + Lifetime(http.phase);
    AdvanceHttp(answer.connection);
  }
}

Ticks EpollListener::Lifetime(HttpConnection::Phase phase) const {
  switch (phase) {
    case HttpConnection::Phase::kIdle:
    case HttpConnection::Phase::kAnswering:  // the backend has its own limits
      return options_.http_idle_timeout.count();
    default:
      return options_.http_request_timeout.count();
  }
}

void EpollListener::Tick() {
  uint64_t expirations = 0;
  if (read(timer_.get(), &expirations, sizeof expirations) == sizeof expirations)
    now_ += static_cast<Ticks>(expirations);
  std::erase_if(undecided_, [this](const auto& entry) { return entry.second.expires < now_; });
  for (auto http = http_.begin(); http != http_.end();) {
    const auto next = std::next(http);
    if (http->second.expires < now_) CloseHttp(http);
    http = next;
  }
  accepting_.Set(epoll_.get(), true);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(Options options, HttpEndpoints& endpoints,
                                                         std::function<void(int fd)> hand_over) {
  auto listener = std::make_unique<EpollListener>(std::move(options), endpoints, std::move(hand_over));
  if (absl::Status opened = listener->Open(); !opened.ok()) return opened;
  return listener;
}

}  // namespace regent::server
