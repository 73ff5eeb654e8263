// libnghttp2's callbacks: C functions that find their connection and stream. They run inside the session's functions,
// that is, under the worker's turn.
#pragma once

#include <nghttp2/nghttp2.h>

#include "server/rpc/h2_connection.h"

namespace regent::server {

struct SessionCallbacks {
  // Of every session; lives as long as the process.
  static nghttp2_session_callbacks* All();

  // What a stream's answer is read by.
  static ssize_t ReadData(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size_max, uint32_t* flags,
                          nghttp2_data_source* source, void* connection);

 private:
  static H2Connection& Self(void* connection) { return *static_cast<H2Connection*>(connection); }
  static H2Stream* StreamOf(nghttp2_session* session, int32_t id) {
    return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static ssize_t Send(nghttp2_session*, const uint8_t* data, size_t size, int, void* connection);
  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* header, size_t size,
                      nghttp2_data_source* source, void* connection);
  static int BeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* connection);
  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t flags, void* connection);
  static int DataChunk(nghttp2_session* session, uint8_t flags, int32_t id, const uint8_t* data, size_t size,
                       void* connection);
  static int FrameReceived(nghttp2_session* session, const nghttp2_frame* frame, void* connection);
  static int FrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* connection);
  static int StreamClosed(nghttp2_session* session, int32_t id, uint32_t error, void* connection);
  static nghttp2_session_callbacks* Make();
};

}  // namespace regent::server
