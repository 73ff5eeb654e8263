// The answering half of H2Connection: what handlers and the engine say to the client, and the end of a stream.
#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "glog/logging.h"
#include "server/rpc/h2_connection.h"
#include "server/rpc/h2_session_callbacks.h"
#include "server/runtime/clock.h"

namespace regent::server {
namespace {

constexpr size_t kStatusTextBytesMax = 8 * 1024;  // a block of headers that is too long would never be sent

nghttp2_nv Header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view CodeText(absl::StatusCode code) {
  static constexpr std::string_view kTexts[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                                "9", "10", "11", "12", "13", "14", "15", "16"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kTexts) ? kTexts[index] : kTexts[2];
}

// grpc-status and grpc-message, as headers that live as long as this.
class StatusHeaders {
 public:
  explicit StatusHeaders(const absl::Status& status)
      : message_(PercentEncode({status.message().data(), std::min(status.message().size(), kStatusTextBytesMax)})) {
    headers_[0] = Header("grpc-status", CodeText(status.code()));
    if (!status.ok()) headers_[1] = Header("grpc-message", message_);
    size_ = status.ok() ? 1 : 2;
  }
  const nghttp2_nv* data() const { return headers_.data(); }
  size_t size() const { return size_; }

 private:
  const std::string message_;
  std::array<nghttp2_nv, 2> headers_{};
  size_t size_ = 0;
};

}  // namespace

void H2Connection::Answer(int32_t id, Outgoing outgoing) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second->finish.has_value()) return;
  H2Stream& stream = *found->second;
  if (outgoing.message.has_value()) {
    size_t size_bytes = 0;
    for (const api::SharedBytes& piece : *outgoing.message) size_bytes += piece->size();
    stream.method->counters.Sent(size_bytes);
    stream.Add(*outgoing.message, size_bytes);
  } else if (outgoing.source != nullptr) {
    stream.method->counters.Sent(outgoing.source->size_bytes());
    stream.ReadFrom(std::move(outgoing.source));
  }
  if (stream.open == nullptr) budget_.OnAnswer(stream.queue.size_bytes());
  stream.finish = std::move(outgoing.finish);
  Respond(stream);
}

// The engine ends the call: what was not sent is not sent any more.
void H2Connection::Finish(H2Stream& stream, absl::Status status) {
  const bool in_a_message = stream.responded && stream.unsent_answer_bytes() > 0;
  DropQueue(stream);
  stream.finish = std::move(status);
  if (in_a_message) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
  } else {
    Respond(stream);
  }
}

// A frame whose header the session has made may wait for the socket: its bytes must stay, for the client reads them
// before it learns of the end.
void H2Connection::DropQueue(H2Stream& stream) {
  const size_t before = stream.queue.size_bytes();
  stream.queue.Truncate(stream.promised_bytes);
  stream.source = nullptr;
  stream.source_bytes = 0;
  if (stream.open == nullptr) budget_.OnGone(before - stream.queue.size_bytes());
}

void H2Connection::Respond(H2Stream& stream) {
  if (stream.responded) {
    if (std::exchange(stream.deferred, false)) nghttp2_session_resume_data(session_, stream.id);
    return;
  }
  if (stream.finish.has_value() && stream.queue.size_bytes() == 0) return Refuse(stream, 200, *stream.finish);
  stream.responded = true;
  const nghttp2_nv headers[] = {Header(":status", "200"), Header("content-type", "application/grpc")};
  nghttp2_data_provider provider;
  provider.source.ptr = &stream;
  provider.read_callback = SessionCallbacks::ReadData;
  nghttp2_submit_response(session_, stream.id, headers, std::size(headers), &provider);
}

// Headers alone.
void H2Connection::Refuse(H2Stream& stream, int http_status, absl::Status status) {
  stream.responded = true;
  const std::string http = std::to_string(http_status);
  const StatusHeaders trailers(status);
  nghttp2_nv headers[4] = {Header(":status", http), Header("content-type", "application/grpc")};
  std::copy(trailers.data(), trailers.data() + trailers.size(), headers + 2);
  nghttp2_submit_response(session_, stream.id, headers, 2 + trailers.size(), nullptr);
  stream.finish = std::move(status);
}

ssize_t H2Connection::ProvideData(H2Stream& stream, size_t size_max, uint32_t* flags) {
  budget_.OnQueued(stream.Refill());
  const size_t available = stream.queue.size_bytes();
  const size_t size = std::min(available, size_max);
  if (size == 0 && !stream.finish.has_value()) {
    stream.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size == available && stream.source == nullptr && stream.finish.has_value()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    SubmitTrailers(stream);
  }
  stream.promised_bytes = size;
  return static_cast<ssize_t>(size);
}

// The session writes the bytes that ProvideData has promised.
void H2Connection::TakeQueued(H2Stream& stream, size_t size) {
  CHECK_EQ(std::exchange(stream.promised_bytes, 0), size);
  stream.queue.MoveTo(size, out_);
  if (stream.open == nullptr) return budget_.OnGone(size);
  stream.unsent->fetch_sub(std::min(size, stream.unsent->load()), std::memory_order_relaxed);
  std::vector<CallEvent>& events = environment_.events;
  if (events.empty() || events.back().kind != CallEvent::Kind::kSent || events.back().stream != stream.open) {
    events.push_back({.kind = CallEvent::Kind::kSent, .stream = stream.open});
  }
}

void H2Connection::SubmitTrailers(H2Stream& stream) {
  const StatusHeaders trailers(*stream.finish);
  nghttp2_submit_trailer(session_, stream.id, trailers.data(), trailers.size());
}

void H2Connection::OnStreamClosed(H2Stream& stream) {
  absl::StatusCode result = absl::StatusCode::kCancelled;
  if (stream.sent_end || (stream.finish.has_value() && absl::IsDeadlineExceeded(*stream.finish))) {
    result = stream.finish->code();
  } else if (stream.deadline <= SteadyNow()) {
    result = absl::StatusCode::kDeadlineExceeded;
  }
  Release(stream, result);
}

void H2Connection::Release(H2Stream& stream, absl::StatusCode result) {
  if (stream.method != nullptr) stream.method->counters.Handled(result, stream.started_at);
  if (stream.deadline != MonotonicTime::max()) --streams_with_deadline_;
  stream.promised_bytes = 0;
  DropQueue(stream);
  if (held_.erase(stream.id) > 0) held_bytes_ -= stream.held_request.size();
  partial_bytes_ -= stream.reader.buffered_bytes();
  stalled_.erase(stream.id);
  OpenStalledWindows();
  if (stream.open != nullptr) {
    stream.unsent->store(0, std::memory_order_relaxed);
    environment_.events.push_back({.kind = CallEvent::Kind::kDone, .stream = std::move(stream.open)});
  }
  nghttp2_session_set_stream_user_data(session_, stream.id, nullptr);
  streams_.erase(stream.id);
}

}  // namespace regent::server
