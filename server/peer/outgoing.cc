#include "server/peer/outgoing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "server/runtime/clock.h"
#include "server/runtime/json_log.h"
#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

using Progress = ByteStream::Progress;

// What may wait while a connection is being made: a few votes and heartbeats.
constexpr size_t kEarlyBytesMax = 1 << 20;
// What is written at a time, while the lock is held.
constexpr size_t kFlushBytesMax = 1 << 20;
constexpr Duration kLookUpTimeout = std::chrono::seconds(5);
constexpr Duration kStable = std::chrono::seconds(1);  // a connection that lasts so long was a success
constexpr size_t kSaidMax = 20;
constexpr Duration kObserveInterval = std::chrono::seconds(5);  // of the round trip, while something is sent

void Tune(int fd, std::chrono::milliseconds unconfirmed_max) {
  const int on = 1;
  const auto milliseconds = static_cast<unsigned>(unconfirmed_max.count());
  // They fail for a unix socket, where they have no meaning.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof on);
  KeepAlive(fd);
}

bool NeedsLookUp(const SocketAddress& address) {
  if (address.is_unix || address.host == "localhost") return false;
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return inet_pton(AF_INET, address.host.c_str(), bytes.data()) != 1 &&
         inet_pton(AF_INET6, address.host.c_str(), bytes.data()) != 1;
}

}  // namespace

Outgoing::Outgoing(raft::NodeId peer, Lane lane, std::vector<PeerUrl> urls, Environment environment,
                   PeerMetrics metrics)
    : peer_(peer),
      lane_(lane),
      environment_(std::move(environment)),
      options_(environment_.options),
      metrics_(metrics),
      urls_(std::move(urls)) {}

Outgoing::~Outgoing() { SetActive(false); }

// ---- sending, from any thread --------------------------------------------------------------------------------------

bool Outgoing::Send(std::string frames) {
  const MutexLock lock(mutex_);
  const size_t limit = may_write_ ? options_.queue_bytes_max : kEarlyBytesMax;
  if (queued_bytes_ + frames.size() > limit && !queue_.empty()) {
    metrics_.sent_failures.Increment();
    return false;
  }
  queued_bytes_ += frames.size();
  queue_.push_back(std::move(frames));
  if (may_write_ && lane_ == Lane::kRaft) ObserveRoundTrip();
  // A stream that breaks here is reported to the transport's thread by the socket.
  if (may_write_ && queue_.size() == 1 && !Flush()) {
    shutdown(stream_->fd(), SHUT_RDWR);
    Forget();
  }
  return true;
}

// As the kernel has it from what was confirmed; nothing for a unix socket.
void Outgoing::ObserveRoundTrip() {
  const MonotonicTime now = SteadyNow();
  if (now - observed_at_ < kObserveInterval) return;
  observed_at_ = now;
  tcp_info about{};
  socklen_t size_bytes = sizeof about;
  if (getsockopt(stream_->fd(), IPPROTO_TCP, TCP_INFO, &about, &size_bytes) != 0 || about.tcpi_rtt == 0) return;
  metrics_.round_trip.Observe(std::chrono::duration<double>(std::chrono::microseconds(about.tcpi_rtt)).count());
}

bool Outgoing::Flush() {
  size_t written = 0;
  while (!queue_.empty()) {
    if (written >= kFlushBytesMax) {
      environment_.go_on_later();
      return true;
    }
    const std::string& first = queue_.front();
    const ByteStream::Moved moved =
        stream_->Write(std::string_view(first).substr(first_sent_bytes_, kFlushBytesMax - written));
    if (moved.progress == Progress::kWait) return true;
    if (moved.progress != Progress::kDone) return false;
    metrics_.sent_bytes.Increment(moved.bytes);
    first_sent_bytes_ += moved.bytes;
    written += moved.bytes;
    if (first_sent_bytes_ < first.size()) continue;
    queued_bytes_ -= first.size();
    first_sent_bytes_ = 0;
    queue_.pop_front();
  }
  return true;
}

void Outgoing::Forget() {
  metrics_.sent_failures.Increment(queue_.size());
  may_write_ = false;
  queue_.clear();
  queued_bytes_ = first_sent_bytes_ = 0;
}

// ---- connecting, on the transport's thread -------------------------------------------------------------------------

void Outgoing::SetUrls(std::vector<PeerUrl> urls) {
  if (urls == urls_) return;
  urls_ = std::move(urls);
  // What is open leads to the peer under its old address, and is as good as ever while it lasts.
  if (phase_ == Phase::kWaiting) due_ = MonotonicTime();
}

void Outgoing::Tick(MonotonicTime now) {
  if (phase_ == Phase::kOpen || now < due_) return;
  if (phase_ != Phase::kWaiting) return Fail("no answer in time", now);
  if (urls_.empty()) return;
  if (!NeedsLookUp(url().address)) return Dial(url().address, now);
  phase_ = Phase::kLookingUp;
  due_ = now + kLookUpTimeout;
  // One at a time, however long it takes.
  if (!looking_up_.empty()) return;
  looking_up_ = url().address.host;
  environment_.look_up(looking_up_);
}

void Outgoing::OnAddresses(const std::string& host, const absl::StatusOr<std::vector<std::string>>& addresses,
                           MonotonicTime now) {
  looking_up_.clear();
  if (phase_ != Phase::kLookingUp) return;
  if (urls_.empty() || host != url().address.host) return Fail("another host was looked up", now);
  if (!addresses.ok()) return Fail(std::string(addresses.status().message()), now);
  SocketAddress address = url().address;
  address.host = (*addresses)[attempt_ / urls_.size() % addresses->size()];
  Dial(address, now);
}

void Outgoing::Dial(const SocketAddress& address, MonotonicTime now) {
  absl::StatusOr<OwnedFd> fd = BeginConnect(address);
  if (!fd.ok()) return Fail(std::string(fd.status().message()), now);
  SslHandle ssl;
  if (url().secure) {
    if (!options_.tls.has_value()) return Fail("the URL wants TLS, and this member has no certificate", now);
    absl::StatusOr<SslHandle> made = NewClientTls(*options_.tls, url().address.host);
    if (!made.ok()) return Fail(std::string(made.status().message()), now);
    ssl = *std::move(made);
  }
  Tune(fd->get(), options_.unconfirmed_max);
  const int number = fd->get();
  SetStream(*std::move(fd), std::move(ssl));
  phase_ = Phase::kConnecting;
  due_ = now + options_.connect_timeout;
  environment_.watch(number);
}

void Outgoing::SetStream(OwnedFd fd, SslHandle ssl) {
  reader_ = FrameReader(kHelloBytesMax);
  const MutexLock lock(mutex_);
  stream_ = std::make_unique<ByteStream>(std::move(fd), std::move(ssl));
}

void Outgoing::OnReady(MonotonicTime now) {
  if (phase_ == Phase::kConnecting) OnConnected(now);
  if (phase_ == Phase::kHandshaking) Handshake(now);
  if (phase_ == Phase::kGreeting) AwaitWelcome(now);
  if (phase_ == Phase::kOpen) WatchOpen(now);
}

void Outgoing::OnConnected(MonotonicTime now) {
  int error = 0;
  {
    const MutexLock lock(mutex_);
    sockaddr_storage peer{};
    socklen_t size_bytes = sizeof peer;
    error = ConnectError(stream_->fd());
    // An event from before the connection was made, of an earlier socket of the same number.
    if (error == 0 && getpeername(stream_->fd(), reinterpret_cast<sockaddr*>(&peer), &size_bytes) != 0) return;
  }
  if (error != 0) return Fail("connect: " + SystemError(error), now);
  phase_ = Phase::kHandshaking;
  due_ = now + options_.connect_timeout;
}

void Outgoing::Handshake(MonotonicTime now) {
  Progress progress = Progress::kWait;
  std::string error;
  {
    const MutexLock lock(mutex_);
    progress = stream_->Handshake();
    error = stream_->error();
  }
  if (progress == Progress::kDone) return Greet(now);
  if (progress != Progress::kWait) Fail("TLS: " + error, now);
}

void Outgoing::Greet(MonotonicTime now) {
  const std::string hello = EncodeHello({.lane = lane_,
                                         .cluster_id = options_.cluster_id,
                                         .from = options_.self,
                                         .to = peer_,
                                         .urls = options_.advertise,
                                         .incarnation = options_.incarnation});
  bool sent = false;
  std::string error;
  {
    const MutexLock lock(mutex_);
    // Nothing has been written yet, so there is room for all of it.
    sent = stream_->Write(hello).bytes == hello.size();
    error = stream_->error();
  }
  if (!sent) return Fail("the hello could not be sent: " + error, now);
  phase_ = Phase::kGreeting;
}

ByteStream::Moved Outgoing::ReadSome() {
  const std::span<char> room = reader_.Room();
  const MutexLock lock(mutex_);
  ByteStream::Moved moved = stream_->Read(room);
  if (moved.progress == Progress::kFailed) read_error_ = stream_->error();
  return moved;
}

void Outgoing::AwaitWelcome(MonotonicTime now) {
  while (phase_ == Phase::kGreeting) {
    const ByteStream::Moved moved = ReadSome();
    if (moved.progress == Progress::kWait) return;
    if (moved.progress == Progress::kClosed) return Fail("closed before it was welcome", now);
    if (moved.progress == Progress::kFailed) return Fail(read_error_, now);
    reader_.Filled(moved.bytes);
    const absl::StatusOr<std::optional<Frame>> frame = reader_.Next();
    if (!frame.ok()) return Fail(std::string(frame.status().message()), now);
    if (frame->has_value()) OnAnswer(**frame, now);
  }
}

void Outgoing::OnAnswer(const Frame& frame, MonotonicTime now) {
  if (frame.kind == FrameKind::kRefusal) {
    const Refusal refusal = DecodeRefusal(frame.payload);
    failures_ = std::max(failures_, 16);  // that will not change soon
    environment_.refused(refusal);
    return Fail("refused: " + refusal.text, now);
  }
  const absl::StatusOr<uint16_t> version =
      frame.kind == FrameKind::kWelcome ? DecodeWelcome(frame.payload) : absl::InvalidArgumentError("no welcome");
  if (!version.ok()) return Fail(std::string(version.status().message()), now);
  phase_ = Phase::kOpen;
  opened_at_ = now;
  said_.clear();
  SetActive(true);
  LOG(INFO) << "established a connection with a peer" << Field("remote-peer-id", Hexadecimal(peer_.value))
            << Field("version", *version);
  const MutexLock lock(mutex_);
  may_write_ = true;
  open_since_.store(now, std::memory_order_relaxed);
  if (!Flush()) Forget();
}

void Outgoing::WatchOpen(MonotonicTime now) {
  while (true) {
    const ByteStream::Moved moved = ReadSome();
    if (moved.progress == Progress::kClosed) return Fail("the peer closed it", now);
    if (moved.progress == Progress::kFailed) return Fail(read_error_, now);
    if (moved.progress == Progress::kDone) return Fail("bytes that nobody asked for", now);
    break;
  }
  const MutexLock lock(mutex_);
  if (may_write_ && !Flush()) {
    shutdown(stream_->fd(), SHUT_RDWR);
    Forget();
  }
}

// The gauge is about the lane that a member lives by.
void Outgoing::SetActive(bool active) {
  if (lane_ == Lane::kRaft) metrics_.active.Set(active ? 1 : 0);
}

void Outgoing::Fail(const std::string& why, MonotonicTime now) {
  const bool was_open = phase_ == Phase::kOpen;
  {
    const MutexLock lock(mutex_);
    open_since_.store(MonotonicTime(), std::memory_order_relaxed);
    Forget();
    stream_.reset();
  }
  if (was_open) {
    metrics_.disconnected.Increment();
    SetActive(false);
    LOG(WARNING) << "lost the connection with a peer" << Field("remote-peer-id", Hexadecimal(peer_.value))
                 << Field("error", why);
  } else if (said_.size() < kSaidMax && said_.insert(why).second) {  // once, not at every attempt
    LOG(WARNING) << "cannot connect to a peer" << Field("remote-peer-id", Hexadecimal(peer_.value))
                 << Field("address", urls_.empty() ? std::string() : ToText(url().address)) << Field("error", why);
  }
  if (was_open && now - opened_at_ >= kStable) failures_ = 0;
  phase_ = Phase::kWaiting;
  ++attempt_;
  const Duration longest = std::min(options_.retry_max, options_.retry_min * (1 << std::min(failures_++, 10)));
  // Between half of it and all: members that lost each other at the same moment do not meet again at the same moment.
  const auto half = static_cast<uint64_t>(longest.count() / 2);
  due_ = now + Duration(static_cast<int64_t>(half + environment_.random_below(half + 1)));
}

}  // namespace regent::server
