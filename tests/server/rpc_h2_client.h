// HTTP/2 clients of the tests that need no gRPC: H2TestClient speaks properly, on libnghttp2; RawPeer sends whatever
// bytes it is given.
#pragma once

#include <errno.h>
#include <glog/logging.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rpc/grpc_wire.h"
#include "server/runtime/socket.h"

namespace regent::server {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

inline HeaderList GrpcHeaders(const std::string& path, const HeaderList& more = {}) {
  HeaderList headers = {{":method", "POST"},    {":scheme", "http"}, {":path", path},
                        {":authority", "test"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

inline std::string GrpcMessage(std::string_view bytes) { return MessagePrefix(bytes.size()).append(bytes); }

// A pair of connected sockets; the first one, non-blocking, is the server's.
inline std::pair<OwnedFd, OwnedFd> ConnectedSockets() {
  int pair[2];
  PCHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
  return {OwnedFd(pair[0]), OwnedFd(pair[1])};
}

class H2TestClient {
 public:
  struct Stream {
    std::string out;  // to be sent
    bool out_ends = false;
    std::string in;  // received, as it came
    HeaderList headers;
    HeaderList trailers;  // of a second block of headers
    bool closed = false;
    uint32_t error = 0;  // when closed

    // The value in the last headers; empty if absent.
    std::string Last(std::string_view name) const {
      for (const HeaderList* list : {&trailers, &headers}) {
        for (const auto& [key, value] : *list) {
          if (key == name) return value;
        }
      }
      return {};
    }
    std::string status() const { return Last("grpc-status"); }
  };

  explicit H2TestClient(OwnedFd fd, uint32_t stream_window_bytes = 65'535) : fd_(std::move(fd)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    CHECK_EQ(nghttp2_session_client_new(&session_, callbacks, this), 0);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, stream_window_bytes};
    CHECK_EQ(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1), 0);
    if (stream_window_bytes > 65'535) {
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, static_cast<int32_t>(stream_window_bytes));
    }
  }
  ~H2TestClient() { nghttp2_session_del(session_); }
  H2TestClient(const H2TestClient&) = delete;
  H2TestClient& operator=(const H2TestClient&) = delete;

  int32_t Open(const HeaderList& headers) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : headers) {
      list.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NO_INDEX});
    }
    nghttp2_data_provider provider{};
    provider.read_callback = ReadData;
    const int32_t id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(), &provider, nullptr);
    CHECK_GT(id, 0);
    streams_[id];
    return id;
  }
  int32_t Call(const std::string& path, std::string_view request, const HeaderList& more = {}) {
    const int32_t id = Open(GrpcHeaders(path, more));
    Write(id, request);
    HalfClose(id);
    return id;
  }
  void Write(int32_t id, std::string_view message) {
    streams_.at(id).out += GrpcMessage(message);
    nghttp2_session_resume_data(session_, id);
  }
  void HalfClose(int32_t id) {
    streams_.at(id).out_ends = true;
    nghttp2_session_resume_data(session_, id);
  }
  void Reset(int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }
  void StopReading() { reads_ = false; }
  // The client sends no more; it reads until the server's end.
  void EndSending() {
    shutdown(fd_.get(), SHUT_WR);
    sends_ = false;
    reads_ = true;
  }

  // Sends and receives what there is, after waiting up to `wait` for something to receive. False at the end.
  bool Pump(std::chrono::milliseconds wait) {
    if (ended_ || !SendAll()) return false;
    if (!reads_) {
      poll(nullptr, 0, static_cast<int>(wait.count()));
      return true;
    }
    pollfd socket{fd_.get(), static_cast<int16_t>(POLLIN | (unsent_.empty() ? 0 : POLLOUT)), 0};
    if (poll(&socket, 1, static_cast<int>(wait.count())) <= 0) return true;
    if ((socket.revents & ~POLLOUT) != 0) ReceiveAll();
    return !ended_ && SendAll();
  }

  // Until `condition` or the end of the connection or of the time; true if the condition holds.
  bool PumpUntil(const std::function<bool()>& condition, std::chrono::seconds time = std::chrono::seconds(30)) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (!condition() && std::chrono::steady_clock::now() < until) {
      if (!Pump(std::chrono::milliseconds(20))) break;
    }
    return condition();
  }
  bool AwaitClosed(int32_t id) {
    return PumpUntil([&] { return streams_.at(id).closed; });
  }

  Stream& stream(int32_t id) { return streams_.at(id); }
  bool ended() const { return ended_; }
  std::optional<uint32_t> goaway() const { return goaway_; }

 private:
  static H2TestClient& Self(void* client) { return *static_cast<H2TestClient*>(client); }

  static ssize_t ReadData(nghttp2_session*, int32_t id, uint8_t* buffer, size_t size_max, uint32_t* flags,
                          nghttp2_data_source*, void* client) {
    Stream& stream = Self(client).streams_.at(id);
    const size_t size = std::min(size_max, stream.out.size());
    stream.out.copy(reinterpret_cast<char*>(buffer), size);
    stream.out.erase(0, size);
    if (stream.out.empty() && stream.out_ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (size == 0 && !stream.out_ends) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(size);
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* client) {
    Stream& stream = Self(client).streams_.at(frame->hd.stream_id);
    HeaderList& list = frame->headers.cat == NGHTTP2_HCAT_RESPONSE ? stream.headers : stream.trailers;
    list.emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                      std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* client) {
    Self(client).streams_.at(id).in.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* client) {
    Stream& stream = Self(client).streams_.at(id);
    stream.closed = true;
    stream.error = error;
    stream.out.clear();
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* client) {
    if (frame->hd.type == NGHTTP2_GOAWAY) Self(client).goaway_ = frame->goaway.error_code;
    return 0;
  }

  bool SendAll() {
    while (sends_) {
      if (unsent_.empty()) {
        const uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &data);
        if (size <= 0) return size == 0;
        unsent_.assign(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
      }
      const ssize_t sent = send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return true;
      if (sent < 0) {
        ended_ = true;
        return false;
      }
      unsent_.erase(0, static_cast<size_t>(sent));
    }
    return true;
  }
  void ReceiveAll() {
    char buffer[65'536];
    while (!ended_) {
      const ssize_t size = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (size < 0 && errno == EAGAIN) return;
      ended_ = size <= 0 || nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer),
                                                     static_cast<size_t>(size)) < 0;
    }
  }

  const OwnedFd fd_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  std::string unsent_;
  bool reads_ = true;
  bool sends_ = true;
  bool ended_ = false;
  std::optional<uint32_t> goaway_;
};

// ---- raw frames ----------------------------------------------------------------------------------------------------

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift & 0xff);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift & 0xff);
  return frame.append(payload);
}

// Names and values shorter than 127 bytes, none of them indexed.
inline std::string HeaderBlock(const HeaderList& headers) {
  std::string block;
  for (const auto& [name, value] : headers) {
    block += '\0';
    for (const std::string& text : {name, value}) block.append(1, static_cast<char>(text.size())).append(text);
  }
  return block;
}

constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

inline std::string HeadersFrame(uint32_t stream, const std::string& path, uint8_t flags = kEndHeaders) {
  return Frame(NGHTTP2_HEADERS, flags, stream, HeaderBlock(GrpcHeaders(path)));
}

// A call whose headers grow: a header of almost 4 KiB is put into the table by the connection's first such call and
// then named by a byte each time.
inline std::string CompressedHeaders(uint32_t stream, int times) {
  std::string block = HeaderBlock(GrpcHeaders("/test.Echo/Unary"));
  const std::string value(3'900, 'b');
  const size_t rest = value.size() - 127;
  if (stream <= 3) {
    block += std::string("\x40\x01") + 'b' + '\x7f' + static_cast<char>(0x80 | (rest & 0x7f)) +
             static_cast<char>(rest >> 7) + value;
  }
  block += std::string(static_cast<size_t>(times), '\xbe');
  return Frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, stream, block);
}

class RawPeer {
 public:
  explicit RawPeer(OwnedFd fd) : fd_(std::move(fd)) {}

  // Blocks up to `patience` for room, with `reads` taking what comes meanwhile; false: the server closed, or takes no
  // more.
  bool Send(std::string_view bytes, bool reads, std::chrono::milliseconds patience = std::chrono::seconds(2)) {
    while (!bytes.empty()) {
      if (reads) Receive();
      const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
        continue;
      }
      if (sent < 0 && errno != EAGAIN) {
        closed_ = true;
        return false;
      }
      pollfd socket{fd_.get(), static_cast<int16_t>(POLLOUT | (reads ? POLLIN : 0)), 0};
      if (poll(&socket, 1, static_cast<int>(patience.count())) == 0) return false;
    }
    return true;
  }
  void Receive() {
    char buffer[65'536];
    ssize_t size;
    while ((size = recv(fd_.get(), buffer, sizeof buffer, 0)) > 0) received_.append(buffer, static_cast<size_t>(size));
    if (received_.size() > (1 << 20)) received_.erase(0, received_.size() - (1 << 20));
    if (size == 0 || errno != EAGAIN) closed_ = true;
  }
  // Reads until the server closes; false when it does not in time.
  bool AwaitClose(std::chrono::seconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (!closed_ && std::chrono::steady_clock::now() < until) {
      pollfd socket{fd_.get(), POLLIN, 0};
      if (poll(&socket, 1, 100) > 0) Receive();
    }
    return closed_;
  }
  bool hung_up() const {
    pollfd socket{fd_.get(), 0, 0};
    return poll(&socket, 1, 0) > 0 && (socket.revents & (POLLHUP | POLLERR)) != 0;
  }
  bool closed() const { return closed_; }
  const std::string& received() const { return received_; }

 private:
  const OwnedFd fd_;
  std::string received_;  // the last MiB
  bool closed_ = false;
};

}  // namespace regent::server
