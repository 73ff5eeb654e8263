#include "server/rpc/h2_session_callbacks.h"

#include <string_view>

#include "glog/logging.h"

namespace regent::server {
namespace {

constexpr size_t kFrameHeaderBytes = 9;
constexpr size_t kHeaderOverheadBytes = 32;  // as HTTP/2 counts the size of a list of headers

std::string_view Text(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

}  // namespace

nghttp2_session_callbacks* SessionCallbacks::All() {
  static nghttp2_session_callbacks* const callbacks = Make();
  return callbacks;
}

nghttp2_session_callbacks* SessionCallbacks::Make() {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
  nghttp2_session_callbacks_set_send_callback(callbacks, Send);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, SendData);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, BeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, DataChunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, FrameReceived);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, FrameSent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, StreamClosed);
  return callbacks;
}

// ---- out -----------------------------------------------------------------------------------------------------------

ssize_t SessionCallbacks::Send(nghttp2_session*, const uint8_t* data, size_t size, int, void* connection) {
  H2Connection& self = Self(connection);
  if (self.out_.size_bytes() >= H2Connection::kOutBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
  self.out_.Append(Text(data, size));
  return static_cast<ssize_t>(size);
}

ssize_t SessionCallbacks::ReadData(nghttp2_session*, int32_t, uint8_t*, size_t size_max, uint32_t* flags,
                                   nghttp2_data_source* source, void* connection) {
  return Self(connection).ProvideData(*static_cast<H2Stream*>(source->ptr), size_max, flags);
}

int SessionCallbacks::SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* header, size_t size,
                               nghttp2_data_source* source, void* connection) {
  H2Connection& self = Self(connection);
  if (self.out_.size_bytes() >= H2Connection::kOutBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
  CHECK_EQ(frame->data.padlen, 0u);
  self.out_.Append(Text(header, kFrameHeaderBytes));
  self.TakeQueued(*static_cast<H2Stream*>(source->ptr), size);
  return 0;
}

int SessionCallbacks::FrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* connection) {
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  Self(connection).ping_strikes_ = 0;
  Self(connection).last_ping_ = {};
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  H2Stream* const stream = StreamOf(session, frame->hd.stream_id);
  if (stream == nullptr) return 0;
  stream->sent_end = true;
  // The client may send on; nobody reads it.
  if (!stream->remote_closed) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  return 0;
}

// ---- in ------------------------------------------------------------------------------------------------------------

int SessionCallbacks::BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* connection) {
  Self(connection).block_header_bytes_ = 0;
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) Self(connection).OnBeginHeaders(frame->hd.stream_id);
  return 0;
}

int SessionCallbacks::OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                               size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void* connection) {
  H2Connection& self = Self(connection);
  H2Stream* const stream = StreamOf(session, frame->hd.stream_id);
  const bool goes_on = self.CountHeader(name_size + value_size + kHeaderOverheadBytes);
  if (stream != nullptr && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    self.OnHeader(*stream, Text(name, name_size), Text(value, value_size));
  }
  return goes_on ? 0 : NGHTTP2_ERR_PAUSE;
}

int SessionCallbacks::DataChunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                                void* connection) {
  nghttp2_session_consume_connection(session, size);
  H2Stream* const stream = StreamOf(session, id);
  if (stream != nullptr) Self(connection).OnData(*stream, Text(data, size));
  return 0;
}

int SessionCallbacks::FrameReceived(nghttp2_session* session, const nghttp2_frame* frame, void* connection) {
  H2Connection& self = Self(connection);
  if (frame->hd.type == NGHTTP2_SETTINGS) self.got_settings_ = true;
  if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.OnPing();
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  H2Stream* const stream = StreamOf(session, frame->hd.stream_id);
  if (stream == nullptr) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) self.OnHeadersComplete(*stream);
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.OnRemoteClosed(*stream);
  return 0;
}

int SessionCallbacks::StreamClosed(nghttp2_session* session, int32_t id, uint32_t, void* connection) {
  H2Stream* const stream = StreamOf(session, id);
  if (stream != nullptr) Self(connection).OnStreamClosed(*stream);
  return 0;
}

}  // namespace regent::server
