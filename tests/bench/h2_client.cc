#include "tests/bench/h2_client.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace regent::bench {
namespace {

constexpr int32_t kWindowBytes = 64 * 1024 * 1024;  // large answers never wait for the client's window
constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kPrefixBytes = 5;  // of a message: a flag and the length

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "loader: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

int ConnectUnix(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, path.c_str(), sizeof(to.sun_path) - 1);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) Die("connect to " + path);
  return fd;
}

// -1: nobody accepts there.
int TryTcp(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos) Die("an endpoint is host:port, not " + endpoint);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(endpoint.substr(0, colon).c_str(), endpoint.substr(colon + 1).c_str(), &hints, &found) != 0) {
    Die("resolve " + endpoint);
  }
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
    close(fd);
    fd = -1;
  }
  freeaddrinfo(found);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int ConnectTcp(const std::string& endpoint) {
  const int fd = TryTcp(endpoint);
  if (fd < 0) Die("connect to " + endpoint);
  return fd;
}

nghttp2_nv Field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

}  // namespace

struct H2Connection::Stream {
  int32_t id = 0;
  std::string outgoing;  // messages with their prefixes
  size_t outgoing_sent = 0;
  bool complete = false;  // nothing will follow what is outgoing
  std::string incoming;
  int grpc_status = -1;
  std::string grpc_message;
  OnMessage on_message;  // null: the only message is kept for on_end
  OnReply on_end;

  void Append(std::string_view message);
  void HandOver(std::string_view data);
};

void H2Connection::Stream::Append(std::string_view message) {
  const uint32_t size = static_cast<uint32_t>(message.size());
  const char prefix[kPrefixBytes] = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                     static_cast<char>(size >> 8), static_cast<char>(size)};
  outgoing.append(prefix, sizeof prefix);
  outgoing.append(message);
}

// Gives away the messages that are complete and keeps the rest.
void H2Connection::Stream::HandOver(std::string_view data) {
  const bool kept_before = !incoming.empty();
  if (kept_before) {
    incoming.append(data);
    data = incoming;
  }
  const size_t size_before = data.size();
  while (data.size() >= kPrefixBytes) {
    size_t size = 0;
    for (size_t i = 1; i < kPrefixBytes; ++i) size = size << 8 | static_cast<uint8_t>(data[i]);
    if (data.size() < kPrefixBytes + size) break;
    on_message(data.substr(kPrefixBytes, size));
    data.remove_prefix(kPrefixBytes + size);
  }
  if (!kept_before || data.size() != size_before) incoming = std::string(data);
}

H2Connection::H2Connection(const std::string& endpoint) : authority_(endpoint) {
  const bool is_unix = endpoint.rfind("unix:", 0) == 0;
  fd_ = is_unix ? ConnectUnix(endpoint.substr(5)) : ConnectTcp(endpoint);
  if (is_unix) authority_ = "localhost";
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes},
                                             {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes);
  Flush();
}

bool H2Connection::Accepts(const std::string& endpoint) {
  const int fd = TryTcp(endpoint);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

H2Connection::~H2Connection() {
  nghttp2_session_del(session_);
  close(fd_);
}

void H2Connection::Call(const char* path, std::string_view message, OnReply on_reply) {
  CallStreaming(path, message, nullptr, std::move(on_reply));
}

void H2Connection::CallStreaming(const char* path, std::string_view message, OnMessage on_message, OnReply on_end) {
  Stream* const stream = Start(path, std::move(on_message), std::move(on_end));
  if (stream == nullptr) return;
  stream->Append(message);
  stream->complete = true;
}

H2Connection::Stream* H2Connection::Open(const char* path, OnMessage on_message, OnReply on_end) {
  return Start(path, std::move(on_message), std::move(on_end));
}

void H2Connection::Send(Stream* stream, std::string_view message) {
  stream->Append(message);
  nghttp2_session_resume_data(session_, stream->id);  // fails harmlessly when the stream was not waiting
}

H2Connection::Stream* H2Connection::Start(const char* path, OnMessage on_message, OnReply on_end) {
  if (free_.empty()) {
    pool_.push_back(std::make_unique<Stream>());
    free_.push_back(pool_.back().get());
  }
  Stream* const stream = free_.back();
  free_.pop_back();
  stream->outgoing.clear();
  stream->outgoing_sent = 0;
  stream->complete = false;
  stream->incoming.clear();
  stream->grpc_status = -1;
  stream->grpc_message.clear();
  stream->on_message = std::move(on_message);
  stream->on_end = std::move(on_end);

  const nghttp2_nv fields[] = {Field(":method", "POST"),
                               Field(":scheme", "http"),
                               Field(":path", path),
                               Field(":authority", authority_),
                               Field("content-type", "application/grpc"),
                               Field("te", "trailers"),
                               Field("user-agent", "regent-bench-loader"),
                               Field("client-api-version", "3.7")};
  nghttp2_data_provider body{};
  body.source.ptr = stream;
  body.read_callback = ReadRequest;
  stream->id = broken_ ? -1 : nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &body, stream);
  if (stream->id >= 0) return stream;
  std::exchange(stream->on_end, nullptr)(Reply{-1, "the connection is broken", {}});
  free_.push_back(stream);
  return nullptr;
}

ssize_t H2Connection::ReadRequest(nghttp2_session*, int32_t, uint8_t* to, size_t size, uint32_t* flags,
                                  nghttp2_data_source* source, void*) {
  auto* const stream = static_cast<Stream*>(source->ptr);
  const size_t chunk = std::min(size, stream->outgoing.size() - stream->outgoing_sent);
  if (chunk == 0 && !stream->complete) return NGHTTP2_ERR_DEFERRED;
  std::memcpy(to, stream->outgoing.data() + stream->outgoing_sent, chunk);
  stream->outgoing_sent += chunk;
  if (stream->outgoing_sent == stream->outgoing.size()) {
    stream->outgoing.clear();
    stream->outgoing_sent = 0;
    if (stream->complete) *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  return static_cast<ssize_t>(chunk);
}

void H2Connection::Flush() {
  if (broken_) return;
  const uint8_t* data = nullptr;
  ssize_t size = 0;
  while ((size = nghttp2_session_mem_send(session_, &data)) > 0) {
    unsent_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  }
  if (size < 0) return Break(nghttp2_strerror(static_cast<int>(size)));
  while (!unsent_.empty()) {
    const ssize_t sent = send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) return Break(std::strerror(errno));
    unsent_.erase(0, static_cast<size_t>(sent));
  }
}

void H2Connection::ReadSome() {
  if (broken_) return;
  uint8_t data[kReadBytes];
  const ssize_t size = recv(fd_, data, sizeof data, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Break(size == 0 ? "closed by the server" : std::strerror(errno));
  const ssize_t read = nghttp2_session_mem_recv(session_, data, static_cast<size_t>(size));
  if (read < 0) Break(nghttp2_strerror(static_cast<int>(read)));
}

void H2Connection::Break(const std::string& why) {
  broken_ = true;
  unsent_.clear();
  for (const std::unique_ptr<Stream>& stream : pool_) {
    if (OnReply on_end = std::exchange(stream->on_end, nullptr)) on_end(Reply{-1, "the connection broke: " + why, {}});
  }
}

int H2Connection::OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                           const uint8_t* value, size_t value_size, uint8_t, void*) {
  const std::string_view key(reinterpret_cast<const char*>(name), name_size);
  if (key != "grpc-status" && key != "grpc-message") return 0;
  auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
  if (stream == nullptr) return 0;
  const std::string_view text(reinterpret_cast<const char*>(value), value_size);
  if (key == "grpc-message") {
    stream->grpc_message = std::string(text);
  } else {
    std::from_chars(text.data(), text.data() + text.size(), stream->grpc_status);
  }
  return 0;
}

int H2Connection::OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size, void*) {
  auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  if (stream == nullptr) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (stream->on_message == nullptr) {
    stream->incoming.append(bytes);
  } else {
    stream->HandOver(bytes);
  }
  return 0;
}

int H2Connection::OnClose(nghttp2_session* session, int32_t id, uint32_t, void* user) {
  auto* const self = static_cast<H2Connection*>(user);
  auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  if (stream == nullptr) return 0;
  Reply reply{stream->grpc_status, std::move(stream->grpc_message), {}};
  if (stream->on_message == nullptr && stream->incoming.size() >= kPrefixBytes) {
    reply.message = std::string_view(stream->incoming).substr(kPrefixBytes);
  }
  std::exchange(stream->on_end, nullptr)(reply);
  stream->on_message = nullptr;
  if (stream->incoming.capacity() > 1024 * 1024) stream->incoming = std::string();
  self->free_.push_back(stream);
  return 0;
}

}  // namespace regent::bench
