#include "server/peer/tcp_transport.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "api/contract/status_macros.h"
#include "server/peer/incoming.h"
#include "server/peer/look_up.h"
#include "server/peer/message_codec.h"
#include "server/peer/note_codec.h"
#include "server/peer/outgoing.h"
#include "server/runtime/accepting.h"
#include "server/runtime/clock.h"
#include "server/runtime/json_log.h"
#include "server/runtime/mutex.h"
#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(25);

// What an epoll event carries: a reserved number, a listening socket's index, or the number of a connection.
constexpr uint64_t kWakeEvent = 0;
constexpr uint64_t kFirstSocketEvent = 1;

// An IP address: a name that somebody gives would have to be looked up, and a path is of this machine.
bool IsLiteral(const SocketAddress& address) {
  in6_addr bytes;
  return !address.is_unix && (inet_pton(AF_INET, address.host.c_str(), &bytes) == 1 ||
                              inet_pton(AF_INET6, address.host.c_str(), &bytes) == 1);
}

// A lane to or from a peer.
using Place = std::pair<raft::NodeId, Lane>;

class EpollTransport final : public TcpTransport {
 public:
  EpollTransport(TransportOptions options, Metrics& metrics)
      : options_(std::move(options)), metrics_(metrics), random_(options_.seed) {}
  ~EpollTransport() override { CHECK(!thread_.joinable()) << "destroyed before Stop"; }

  absl::Status Open();
  const std::vector<PeerUrl>& listen() const override { return options_.listen; }
  void Start(TransportEvents events) override;
  void Stop() override;
  void SetPeers(PeerUrls peers) override;
  void Send(std::vector<raft::Message> messages) override;
  bool Tell(raft::NodeId to, PeerNote note) override;
  std::optional<MonotonicTime> ConnectedSince(raft::NodeId peer) const override;

 private:
  struct Answer {
    uint64_t id = 0;  // of the connection that asked
    std::string host;
    absl::StatusOr<std::vector<std::string>> addresses;
  };
  // For the thread, from others: the answers of look-ups may come when the transport is gone.
  struct Found {
    Mutex mutex;
    std::vector<Answer> answers ABSL_GUARDED_BY(mutex);
    std::vector<uint64_t> go_on ABSL_GUARDED_BY(mutex);  // connections that have more to write
    OwnedFd wake;
    void Wake() const {
      const uint64_t one = 1;
      (void)!write(wake.get(), &one, sizeof one);  // fails only when a wake-up is pending already
    }
  };

  bool SendFrames(Place to, std::string frames);

  void Run();
  bool NeedsTick() const;
  void Watch(int fd, uint64_t id, uint32_t events);
  void OnEvent(uint64_t id, MonotonicTime now);
  void TakePosts(MonotonicTime now);
  void AdoptPeers();
  void DropUnwelcome();
  void ConnectTo(const PeerUrls& all);
  PeerUrls EverybodyToReach() const;
  std::shared_ptr<Outgoing> NewOutgoing(Place place, std::vector<PeerUrl> urls, uint64_t id);
  void LookUpLater(uint64_t id, const std::string& host);
  void Tick(MonotonicTime now);
  void AddIncoming(OwnedFd fd, bool secure, MonotonicTime now);
  PeerMetrics MetricsOf(raft::NodeId peer);
  void ReadIncoming(uint64_t id);
  void OnOpened(uint64_t id, Place from);
  void OnClosed(raft::NodeId from);

  TransportOptions options_;
  Metrics& metrics_;
  TransportEvents events_;
  const std::shared_ptr<Found> found_ = std::make_shared<Found>();
  std::thread thread_;
  std::atomic<bool> stopping_{false};

  mutable Mutex mutex_;
  std::map<Place, std::shared_ptr<Outgoing>> outgoing_ ABSL_GUARDED_BY(mutex_);  // the thread alone changes it
  std::optional<PeerUrls> wanted_ ABSL_GUARDED_BY(mutex_);                       // not adopted yet

  // The thread's, once it runs.
  std::minstd_rand random_;
  OwnedFd epoll_;
  Accepting accepting_{kFirstSocketEvent, "accepting from peers"};
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::shared_ptr<Outgoing>> outgoing_by_id_;
  std::map<uint64_t, std::unique_ptr<Incoming>> incoming_;  // oldest first
  std::map<Place, uint64_t> opened_;                        // the newest open one of each lane
  PeerUrls members_;                                        // as SetPeers named them
  PeerUrls strangers_;         // others that are connected to this member, with the URLs that they named
  std::set<uint64_t> unread_;  // had more to read than a turn takes
  size_t undecided_ = 0;
};

// ---- life ----------------------------------------------------------------------------------------------------------

absl::Status EpollTransport::Open() {
  if (options_.tls.has_value()) REGENT_RETURN_IF_ERROR(CheckTls(*options_.tls));
  epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
  found_->wake = OwnedFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  PCHECK(epoll_.get() >= 0 && found_->wake.get() >= 0);
  for (PeerUrl& url : options_.listen) {
    if (url.secure && !options_.tls.has_value()) {
      return absl::InvalidArgumentError("the peer URL with the address " + ToText(url.address) +
                                        " wants TLS, but there is no certificate and no key");
    }
    REGENT_RETURN_IF_ERROR(accepting_.Open(url.address));
  }
  last_id_ = accepting_.end();
  return absl::OkStatus();
}

void EpollTransport::Start(TransportEvents events) {
  events_ = std::move(events);
  Watch(found_->wake.get(), kWakeEvent, EPOLLIN);
  accepting_.Set(epoll_.get(), true);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "peer");
}

void EpollTransport::Stop() {
  stopping_.store(true);
  if (found_->wake.get() >= 0) found_->Wake();
  if (thread_.joinable()) thread_.join();
  const MutexLock lock(mutex_);
  outgoing_.clear();
  outgoing_by_id_.clear();
  incoming_.clear();
  accepting_.Close();
}

// ---- from any thread -----------------------------------------------------------------------------------------------

void EpollTransport::SetPeers(PeerUrls peers) {
  peers.erase(options_.self);
  {
    const MutexLock lock(mutex_);
    wanted_ = std::move(peers);
  }
  found_->Wake();
}

std::optional<MonotonicTime> EpollTransport::ConnectedSince(raft::NodeId peer) const {
  const MutexLock lock(mutex_);
  const auto found = outgoing_.find({peer, Lane::kRaft});
  if (found == outgoing_.end()) return std::nullopt;
  return found->second->open_since();
}

// The messages of a turn to one peer go out together.
void EpollTransport::Send(std::vector<raft::Message> messages) {
  std::map<raft::NodeId, std::string> frames;
  for (const raft::Message& message : messages) {
    std::string frame = BeginFrame(FrameKind::kRaftMessage);
    AppendMessage(frame, message);
    EndFrame(frame);
    std::string& all = frames[message.to];
    if (all.empty()) {
      all = std::move(frame);
    } else {
      all += frame;
    }
  }
  for (auto& [to, bytes] : frames) SendFrames({to, Lane::kRaft}, std::move(bytes));
}

bool EpollTransport::Tell(raft::NodeId to, PeerNote note) {
  std::string frame = BeginFrame(FrameKind::kNote);
  AppendNote(frame, note);
  EndFrame(frame);
  const Lane lane = std::holds_alternative<SnapshotPiece>(note) ? Lane::kBulk : Lane::kRaft;
  return SendFrames({to, lane}, std::move(frame));
}

bool EpollTransport::SendFrames(Place to, std::string frames) {
  std::shared_ptr<Outgoing> outgoing;
  {
    const MutexLock lock(mutex_);
    const auto found = outgoing_.find(to);
    if (found != outgoing_.end()) outgoing = found->second;
  }
  return outgoing != nullptr && outgoing->Send(std::move(frames));
}

// ---- the thread ----------------------------------------------------------------------------------------------------

void EpollTransport::Run() {
  std::array<epoll_event, 64> ready;
  MonotonicTime next_tick = SteadyNow();
  while (!stopping_.load()) {
    const auto until_tick = std::chrono::ceil<std::chrono::milliseconds>(next_tick - SteadyNow()).count();
    const int patience = NeedsTick() ? static_cast<int>(std::clamp<int64_t>(until_tick, 0, 1000)) : -1;
    const int timeout = unread_.empty() ? patience : 0;
    const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), timeout);
    const MonotonicTime now = SteadyNow();
    for (int i = 0; i < count; ++i) OnEvent(ready[static_cast<size_t>(i)].data.u64, now);
    for (const uint64_t id : std::exchange(unread_, {})) ReadIncoming(id);
    if (now < next_tick) continue;
    next_tick = now + kTick;
    Tick(now);
  }
}

// A member whose connections all stand wakes up for messages alone.
bool EpollTransport::NeedsTick() const {
  return undecided_ > 0 || !accepting_.on() ||
         std::any_of(outgoing_by_id_.begin(), outgoing_by_id_.end(),
                     [](const auto& entry) { return !entry.second->open(); });
}

void EpollTransport::Watch(int fd, uint64_t id, uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = id}};
  PCHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) << "epoll_ctl of " << fd;
}

void EpollTransport::OnEvent(uint64_t id, MonotonicTime now) {
  if (id == kWakeEvent) return TakePosts(now);
  if (accepting_.IsEvent(id)) {
    const size_t index = accepting_.IndexOf(id);
    return accepting_.Accept(epoll_.get(), index,
                             [&](OwnedFd fd) { AddIncoming(std::move(fd), options_.listen[index].secure, now); });
  }
  if (const auto outgoing = outgoing_by_id_.find(id); outgoing != outgoing_by_id_.end()) {
    return outgoing->second->OnReady(now);
  }
  ReadIncoming(id);
}

void EpollTransport::TakePosts(MonotonicTime now) {
  uint64_t count = 0;
  (void)!read(found_->wake.get(), &count, sizeof count);
  AdoptPeers();
  std::vector<Answer> answers;
  std::vector<uint64_t> go_on;
  {
    const MutexLock lock(found_->mutex);
    answers.swap(found_->answers);
    go_on.swap(found_->go_on);
  }
  for (const Answer& answer : answers) {
    const auto outgoing = outgoing_by_id_.find(answer.id);
    if (outgoing != outgoing_by_id_.end()) outgoing->second->OnAddresses(answer.host, answer.addresses, now);
  }
  for (const uint64_t id : go_on) {
    if (const auto outgoing = outgoing_by_id_.find(id); outgoing != outgoing_by_id_.end())
      outgoing->second->OnReady(now);
  }
}

void EpollTransport::Tick(MonotonicTime now) {
  for (const auto& [id, outgoing] : outgoing_by_id_) outgoing->Tick(now);
  for (auto connection = incoming_.begin(); undecided_ > 0 && connection != incoming_.end();) {
    const Incoming& incoming = *connection->second;
    const bool late = incoming.state() == Incoming::State::kUndecided && incoming.deadline() <= now;
    if (late) --undecided_;
    connection = late ? incoming_.erase(connection) : std::next(connection);
  }
  accepting_.Set(epoll_.get(), true);
}

// ---- connections to others -----------------------------------------------------------------------------------------

void EpollTransport::AdoptPeers() {
  {
    const MutexLock lock(mutex_);
    if (!wanted_.has_value()) return;
    members_ = *std::exchange(wanted_, std::nullopt);
  }
  std::erase_if(strangers_, [&](const auto& stranger) { return members_.contains(stranger.first); });
  DropUnwelcome();
  ConnectTo(EverybodyToReach());
}

// Who may not come any more, because it was removed or is not who it says, hears it when it connects again.
void EpollTransport::DropUnwelcome() {
  std::erase_if(incoming_, [&](const auto& entry) {
    const auto& [id, incoming] = entry;
    if (incoming->state() != Incoming::State::kOpen || incoming->StillWelcome()) return false;
    const auto opened = opened_.find({incoming->from(), incoming->lane()});
    if (opened != opened_.end() && opened->second == id) opened_.erase(opened);
    strangers_.erase(incoming->from());
    return true;
  });
}

PeerUrls EpollTransport::EverybodyToReach() const {
  PeerUrls all = members_;
  all.insert(strangers_.begin(), strangers_.end());
  return all;
}

void EpollTransport::ConnectTo(const PeerUrls& all) {
  std::map<Place, std::shared_ptr<Outgoing>> kept;
  {
    const MutexLock lock(mutex_);
    kept = outgoing_;
  }
  std::erase_if(kept, [&](const auto& entry) { return !all.contains(entry.first.first); });
  for (const auto& [peer, urls] : all) {
    for (const Lane lane : {Lane::kRaft, Lane::kBulk}) {
      std::shared_ptr<Outgoing>& outgoing = kept[{peer, lane}];
      if (outgoing != nullptr) {
        outgoing->SetUrls(urls);
      } else {
        outgoing = NewOutgoing({peer, lane}, urls, ++last_id_);
        outgoing_by_id_.emplace(last_id_, outgoing);
      }
    }
  }
  std::erase_if(outgoing_by_id_, [&](const auto& entry) {
    return std::none_of(kept.begin(), kept.end(), [&](const auto& one) { return one.second == entry.second; });
  });
  const MutexLock lock(mutex_);
  outgoing_.swap(kept);
}

std::shared_ptr<Outgoing> EpollTransport::NewOutgoing(Place place, std::vector<PeerUrl> urls, uint64_t id) {
  Outgoing::Environment environment{
      .options = options_,
      .watch = [this, id](int fd) { Watch(fd, id, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET); },
      .look_up = [this, id](const std::string& host) { LookUpLater(id, host); },
      .go_on_later =
          [found = found_, id] {
            {
              const MutexLock lock(found->mutex);
              found->go_on.push_back(id);
            }
            found->Wake();
          },
      .random_below = [this](uint64_t limit) { return limit == 0 ? 0 : random_() % limit; },
      .refused =
          [this, peer = place.first](const Refusal& refusal) {
            if (events_.on_refused) events_.on_refused(peer, refusal);
          }};
  // Strangers share a label.
  const raft::NodeId label = members_.contains(place.first) ? place.first : raft::kNobody;
  if (label != raft::kNobody) {
    metrics_.network_known_peers.With({Hexadecimal(options_.self.value), Hexadecimal(label.value)}).Set(1);
  }
  return std::make_shared<Outgoing>(place.first, place.second, std::move(urls), std::move(environment),
                                    PeerMetrics::Of(metrics_, options_.self, label));
}

// On a thread of its own, one for each connection at most: a name server that does not answer keeps nobody else
// waiting, and the end of the process does not wait for it.
void EpollTransport::LookUpLater(uint64_t id, const std::string& host) {
  std::thread([found = found_, id, host] {
    absl::StatusOr<std::vector<std::string>> addresses = LookUp(host);
    {
      const MutexLock lock(found->mutex);
      found->answers.push_back({id, host, std::move(addresses)});
    }
    found->Wake();
  }).detach();
}

// ---- connections of others -----------------------------------------------------------------------------------------

void EpollTransport::AddIncoming(OwnedFd fd, bool secure, MonotonicTime now) {
  if (incoming_.size() >= options_.incoming_max || undecided_ >= options_.undecided_max) {
    LOG_EVERY_N(WARNING, 100) << "too many connections to the peer port: a further one is closed";
    return;
  }
  SslHandle ssl;
  if (secure) {
    absl::StatusOr<SslHandle> made = NewServerTls(*options_.tls);
    if (!made.ok()) {
      LOG_EVERY_N(ERROR, 100) << "a peer cannot be served" << Field("error", std::string(made.status().message()));
      return;
    }
    ssl = *std::move(made);
  }
  // A peer that is silent because nothing is to be said is told apart from one that is gone by TCP itself.
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  KeepAlive(fd.get());
  const uint64_t id = ++last_id_;
  const int number = fd.get();
  Incoming::Environment environment{
      .options = options_, .events = events_, .metrics_of = [this](raft::NodeId peer) { return MetricsOf(peer); }};
  incoming_.emplace(id, std::make_unique<Incoming>(std::move(fd), std::move(ssl), std::move(environment),
                                                   now + options_.hello_timeout));
  ++undecided_;
  Watch(number, id, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

// Those that are not known (yet) share a label: strangers must not make new ones.
PeerMetrics EpollTransport::MetricsOf(raft::NodeId peer) {
  const MutexLock lock(mutex_);
  return PeerMetrics::Of(metrics_, options_.self, outgoing_.contains({peer, Lane::kRaft}) ? peer : raft::kNobody);
}

void EpollTransport::ReadIncoming(uint64_t id) {
  const auto found = incoming_.find(id);
  if (found == incoming_.end()) return;
  Incoming& incoming = *found->second;
  const Incoming::State before = incoming.state();
  if (incoming.OnReadable()) unread_.insert(id);
  const Incoming::State after = incoming.state();
  const Place from{incoming.from(), incoming.lane()};
  if (before == Incoming::State::kUndecided && after != before) --undecided_;
  if (before == Incoming::State::kUndecided && from.first != raft::kNobody) OnOpened(id, from);
  if (after != Incoming::State::kGone && after != Incoming::State::kDropped) return;
  incoming_.erase(id);
  const auto opened = opened_.find(from);
  if (opened == opened_.end() || opened->second != id) return;  // a stranger's, or an older one's
  opened_.erase(opened);
  if (from.second == Lane::kRaft && strangers_.erase(from.first) > 0) ConnectTo(EverybodyToReach());
  if (after == Incoming::State::kGone && from.second == Lane::kRaft) OnClosed(from.first);
}

// The newest connection counts: an older one is a remainder of a broken network.
void EpollTransport::OnOpened(uint64_t id, Place from) {
  std::vector<PeerUrl> urls = incoming_.at(id)->urls();
  std::erase_if(urls, [](const PeerUrl& url) { return !IsLiteral(url.address); });
  const bool stranger = from.second == Lane::kRaft && !members_.contains(from.first) && !urls.empty();
  if (stranger && (strangers_.size() < options_.strangers_max || strangers_.contains(from.first))) {
    strangers_[from.first] = urls;
    ConnectTo(EverybodyToReach());
  }
  const auto [opened, is_first] = opened_.emplace(from, id);
  if (is_first) return;
  incoming_.erase(opened->second);
  opened->second = id;
}

void EpollTransport::OnClosed(raft::NodeId from) {
  LOG(WARNING) << "a peer closed its connection" << Field("remote-peer-id", Hexadecimal(from.value));
  events_.on_peer_gone(from);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TcpTransport>> TcpTransport::Open(TransportOptions options, Metrics& metrics) {
  auto transport = std::make_unique<EpollTransport>(std::move(options), metrics);
  REGENT_RETURN_IF_ERROR(transport->Open());
  return transport;
}

}  // namespace regent::server
