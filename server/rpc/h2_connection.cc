#include "server/rpc/h2_connection.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "server/rpc/h2_session_callbacks.h"
#include "server/runtime/clock.h"

namespace regent::server {
namespace {

constexpr int32_t kConnectionWindowBytes = 4 * 1024 * 1024;
constexpr size_t kReadBytes = 64 * 1024;
constexpr int kReadsPerTurn = 4;      // then it is the others' turn
constexpr int kWritesPerTurn = 2;     // of kOutBytesMax
constexpr size_t kWritePieces = 128;  // in one call
// A client that gives up thousands of calls at once is no attack; libnghttp2 would allow 1000 and 33 a second.
constexpr uint64_t kResetsMax = 20'000;
constexpr uint64_t kResetsPerSecond = 1'000;
constexpr int kPingStrikesMax = 2;
constexpr MonotonicTime::duration kPingWithoutCalls = std::chrono::hours(2);

bool IsGrpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  return content_type.size() == kGrpc.size() || content_type[kGrpc.size()] == '+' || content_type[kGrpc.size()] == ';';
}

}  // namespace

// ---- life ----------------------------------------------------------------------------------------------------------

H2Connection::H2Connection(uint64_t id, OwnedFd fd, Environment environment, MonotonicTime now)
    : id_(id),
      fd_(std::move(fd)),
      peer_(std::make_shared<const std::string>(PeerText(fd_.get()))),
      environment_(std::move(environment)),
      give_up_at_(now + environment_.options.handshake_timeout),
      last_received_(now) {
  nghttp2_option* option = nullptr;
  CHECK_EQ(nghttp2_option_new(&option), 0);
  nghttp2_option_set_no_closed_streams(option, 1);  // their memory serves priorities, which nobody uses
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetsMax, kResetsPerSecond);
  CHECK_EQ(nghttp2_session_server_new2(&session_, SessionCallbacks::All(), this, option), 0);
  nghttp2_option_del(option);

  const std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(RpcEngine::kMetadataBytesMax)},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, std::min(environment_.options.max_concurrent_streams, kStreamsMax)}};
  CHECK_EQ(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()), 0);
  CHECK_EQ(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes), 0);
}

H2Connection::~H2Connection() {
  while (!streams_.empty()) {
    H2Stream& stream = *streams_.begin()->second;
    Release(stream, stream.sent_end ? stream.finish->code() : absl::StatusCode::kCancelled);
  }
  nghttp2_session_del(session_);
}

bool H2Connection::OnReadable(MonotonicTime now) {
  static thread_local std::array<char, kReadBytes> buffer;
  turn_header_bytes_ = 0;
  if (paused_ && !Feed(std::exchange(paused_input_, {}), now)) return paused_;
  for (int reads = 0; reads < kReadsPerTurn && !dead_ && !close_after_flush_; ++reads) {
    const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (size <= 0) {
      dead_ = true;
      return false;
    }
    last_received_ = now;
    ping_out_ = false;
    if (!Feed({buffer.data(), static_cast<size_t>(size)}, now)) return paused_;
    if (nghttp2_session_get_outbound_queue_size(session_) > kOutFramesMax) dead_ = true;
    // The socket is empty; epoll tells of what comes later, but the end it has told of already.
    if (static_cast<size_t>(size) < buffer.size() && !hung_up_) return false;
  }
  return !dead_ && !close_after_flush_;
}

// Gives the session its input. False: it takes no more, in this turn (paused_) or at all.
bool H2Connection::Feed(std::string_view bytes, MonotonicTime now) {
  paused_ = false;
  const ssize_t used = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {  // not HTTP/2, or a flood: libnghttp2 has queued what there is to say
    close_after_flush_ = true;
    give_up_at_ = now + environment_.options.handshake_timeout;
  }
  if (close_after_flush_) paused_ = false;
  if (paused_) paused_input_ = bytes.substr(static_cast<size_t>(used));
  return !paused_ && !close_after_flush_;
}

bool H2Connection::Flush() {
  for (int writes = 0; !dead_; ++writes) {
    if (writes == kWritesPerTurn) return true;
    if (const int error = nghttp2_session_send(session_); error != 0) {
      VLOG(1) << "http2: " << nghttp2_strerror(error);
      dead_ = true;
      return false;
    }
    StartHeld();
    if (out_.empty()) break;
    if (!WriteOut()) return false;
  }
  if (close_after_flush_ || (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0)) {
    dead_ = true;
  }
  return false;
}

// True when everything has left.
bool H2Connection::WriteOut() {
  while (!out_.empty()) {
    std::array<iovec, kWritePieces> pieces;
    msghdr message = {};
    message.msg_iov = pieces.data();
    message.msg_iovlen = out_.Gather(pieces);
    const ssize_t size = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) dead_ = true;
      return false;
    }
    out_.Drop(static_cast<size_t>(size));
  }
  return true;
}

void H2Connection::Tick(MonotonicTime now) {
  const RpcEngine::Options& options = environment_.options;
  if ((!got_settings_ || close_after_flush_) && now >= give_up_at_) dead_ = true;
  if (options.keepalive_interval.count() > 0) {
    if (ping_out_ && now - ping_sent_ >= options.keepalive_timeout) dead_ = true;
    if (!ping_out_ && now - last_received_ >= options.keepalive_interval) {
      nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
      ping_out_ = true;
      ping_sent_ = now;
    }
  }
  budget_.OnTick();
  StartHeld();
  if (streams_with_deadline_ > 0) EndDeadlines(now);
}

void H2Connection::EndDeadlines(MonotonicTime now) {
  for (auto& [id, stream] : streams_) {
    if (stream->deadline <= now && !stream->overdue) EndOverdue(*stream);
  }
}

void H2Connection::EndOverdue(H2Stream& stream) {
  stream.overdue = true;
  if (!stream.finish.has_value()) {
    Finish(stream, api::ErrCallDeadlineExceeded());
  } else if (stream.unsent_answer_bytes() > stream.promised_bytes) {  // nobody waits for the rest of the answer
    DropQueue(stream);
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
  }
}

void H2Connection::GoAway() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void H2Connection::CancelAll(const absl::Status& status) {
  for (auto& [id, stream] : streams_) {
    if (!stream->finish.has_value()) Finish(*stream, status);
  }
}

void H2Connection::Fail(uint32_t error, std::string_view why) {
  if (close_after_flush_) return;
  give_up_at_ = SteadyNow() + environment_.options.handshake_timeout;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), error,
                        reinterpret_cast<const uint8_t*>(why.data()), why.size());
  close_after_flush_ = true;
}

// ---- requests ------------------------------------------------------------------------------------------------------

void H2Connection::OnBeginHeaders(int32_t id) {
  auto stream = std::make_unique<H2Stream>(id, environment_.options.max_request_bytes + RpcEngine::kOverheadBytes);
  nghttp2_session_set_stream_user_data(session_, id, stream.get());
  streams_.emplace(id, std::move(stream));
}

// A few bytes name a header of kilobytes that the peer has put into the table before, so what is bounded is what they
// grow to. libnghttp2 is stopped rather than failed: what it has to say is still said.
bool H2Connection::CountHeader(size_t bytes) {
  block_header_bytes_ += bytes;
  turn_header_bytes_ += bytes;
  if (block_header_bytes_ > kHeaderBytesEnd) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too many headers");
  paused_ = turn_header_bytes_ > kHeaderBytesPerTurn || close_after_flush_;
  return !paused_;
}

void H2Connection::OnHeader(H2Stream& stream, std::string_view name, std::string_view value) {
  if (block_header_bytes_ > RpcEngine::kMetadataBytesMax) return;  // refused when they are complete
  if (name == ":path") {
    stream.path = value;
  } else if (name == ":method") {
    stream.http_method = value;
  } else if (name == "content-type") {
    stream.content_type = value;
  } else if (name == "grpc-timeout") {
    stream.timeout = value;
  } else if (name == "grpc-encoding") {
    stream.encoding = value;
  } else if (!name.starts_with(':') && name != "te" && name != "user-agent" && name != "grpc-accept-encoding") {
    stream.metadata.emplace_back(name, value);
  }
}

void H2Connection::OnHeadersComplete(H2Stream& stream) {
  if (block_header_bytes_ > RpcEngine::kMetadataBytesMax) {
    return Finish(stream, absl::ResourceExhaustedError("grpc: received headers larger than max (" +
                                                       std::to_string(block_header_bytes_) + " vs. " +
                                                       std::to_string(RpcEngine::kMetadataBytesMax) + ")"));
  }
  if (stream.http_method != "POST") {
    return Refuse(stream, 405,
                  absl::InternalError("Received a HEADERS frame with :method \"" + stream.http_method +
                                      "\" which should be POST"));
  }
  if (!IsGrpc(stream.content_type)) {
    return Refuse(stream, 415,
                  absl::InvalidArgumentError("invalid gRPC request content-type \"" + stream.content_type + "\""));
  }
  if (!stream.timeout.empty()) {
    const std::optional<std::chrono::nanoseconds> timeout = ParseGrpcTimeout(stream.timeout);
    if (!timeout.has_value()) {
      return Refuse(stream, 400, absl::InternalError("malformed grpc-timeout: \"" + stream.timeout + "\""));
    }
    stream.deadline = SteadyNow() + *timeout;
    ++streams_with_deadline_;
  }
  stream.reader.set_encoding(stream.encoding);
  stream.method = environment_.methods.Find(stream.path);
  if (stream.method == nullptr) return Finish(stream, environment_.methods.UnknownMethodError(stream.path));
  OpenCall(stream);
  if (stream.deadline <= SteadyNow()) EndOverdue(stream);  // the client has given no time at all
}

void H2Connection::OpenCall(H2Stream& stream) {
  stream.started_at = stream.method->counters.Started();
  const bool is_unary = stream.method->method.kind == api::Method::Kind::kUnary;
  if (!is_unary) stream.unsent = std::make_shared<std::atomic<size_t>>(0);
  stream.call = std::make_shared<H2Call>(environment_.outbox, H2Call::Facts{.key = {id_, stream.id},
                                                                            .is_unary = is_unary,
                                                                            .deadline = stream.deadline,
                                                                            .metadata = std::move(stream.metadata),
                                                                            .peer = peer_,
                                                                            .unsent = stream.unsent});
  CountRequest(*stream.call, is_unary);
  if (is_unary) return;
  stream.open = std::make_shared<OpenStream>();
  environment_.events.push_back(
      {.kind = CallEvent::Kind::kOpen, .method = stream.method, .call = std::move(stream.call), .stream = stream.open});
}

void H2Connection::CountRequest(const api::Call& call, bool is_unary) {
  const std::string_view version = call.Metadata("client-api-version").value_or("");
  if (!client_requests_.has_value() || version != client_version_) {  // a connection's client stays the same
    client_version_ = version;
    client_requests_ = environment_.methods.client_requests().Of(version);
  }
  (is_unary ? client_requests_->unary : client_requests_->stream)->Increment();
}

void H2Connection::OnData(H2Stream& stream, std::string_view bytes) {
  if (stream.finish.has_value()) return;
  partial_bytes_ -= stream.reader.buffered_bytes();
  const absl::Status status =
      stream.reader.Feed(bytes, [&](std::string message) { TakeMessage(stream, std::move(message)); });
  partial_bytes_ += stream.reader.buffered_bytes();
  stream.window_bytes += bytes.size();
  if (!status.ok() && !stream.finish.has_value()) Finish(stream, status);
  OpenWindows(stream);
  if (partial_bytes_ > kPartialBytesMax) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too much in incomplete messages");
}

// Lets the client send on in `stream` and, where it can, in others.
void H2Connection::OpenWindows(H2Stream& stream) {
  if (partial_bytes_ > kPartialBytesEasy && stream.reader.buffered_bytes() > 0) {
    stalled_.insert(stream.id);
  } else {
    stalled_.erase(stream.id);
    OpenWindow(stream);
  }
  OpenStalledWindows();
}

void H2Connection::OpenStalledWindows() {
  while (!stalled_.empty()) {
    OpenWindow(*streams_.at(*stalled_.begin()));
    if (partial_bytes_ > kPartialBytesEasy) return;
    stalled_.erase(stalled_.begin());
  }
}

void H2Connection::OpenWindow(H2Stream& stream) {
  if (stream.window_bytes == 0) return;
  nghttp2_session_consume_stream(session_, stream.id, std::exchange(stream.window_bytes, 0));
}

void H2Connection::TakeMessage(H2Stream& stream, std::string message) {
  if (stream.open == nullptr && std::exchange(stream.got_request, true)) return;  // more than one
  stream.method->counters.Received(message.size());
  if (stream.open != nullptr) {
    environment_.events.push_back(
        {.kind = CallEvent::Kind::kMessage, .stream = stream.open, .message = std::move(message)});
  } else if (budget_.MayStart(message.size())) {
    StartUnary(stream, std::move(message));
  } else if (held_bytes_ + message.size() > kHeldBytesMax) {
    Finish(stream, api::ErrTooManyRequests());
  } else {
    held_bytes_ += message.size();
    held_.insert(stream.id);
    stream.held_request = std::move(message);
  }
}

void H2Connection::StartUnary(H2Stream& stream, std::string message) {
  budget_.OnStart();
  environment_.events.push_back({.kind = CallEvent::Kind::kUnary,
                                 .method = stream.method,
                                 .call = std::move(stream.call),
                                 .message = std::move(message)});
}

void H2Connection::StartHeld() {
  while (!held_.empty()) {
    H2Stream& stream = *streams_.at(*held_.begin());
    if (!stream.finish.has_value() && !budget_.MayStart(stream.held_request.size())) return;
    held_.erase(held_.begin());
    held_bytes_ -= stream.held_request.size();
    if (!stream.finish.has_value()) StartUnary(stream, std::exchange(stream.held_request, {}));
  }
}

void H2Connection::OnRemoteClosed(H2Stream& stream) {
  stream.remote_closed = true;
  if (stream.finish.has_value()) return;
  if (absl::Status status = stream.reader.End(); !status.ok()) return Finish(stream, std::move(status));
  if (stream.open != nullptr) {
    environment_.events.push_back({.kind = CallEvent::Kind::kHalfClose, .stream = stream.open});
  } else if (!stream.got_request) {
    Finish(stream, absl::InternalError("the client sent no request"));
  }
}

// etcd's rule, which is that of Go's implementation: a ping without a running call, or sooner than the minimum after
// the last one, is a strike; what the server sends wipes them out.
void H2Connection::OnPing() {
  const MonotonicTime now = SteadyNow();
  const auto apart =
      streams_.empty() ? kPingWithoutCalls : MonotonicTime::duration(environment_.options.keepalive_min_time);
  if (last_ping_ != MonotonicTime() && now - last_ping_ < apart) ++ping_strikes_;
  last_ping_ = now;
  if (ping_strikes_ > kPingStrikesMax) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
}

}  // namespace regent::server
