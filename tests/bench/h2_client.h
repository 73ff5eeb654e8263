// A gRPC client that costs little: plaintext HTTP/2 by nghttp2, one read and one write for each turn of the loop and
// connection. Unary calls, and streams of messages both ways. Single-threaded.
#pragma once

#include <nghttp2/nghttp2.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace regent::bench {

struct Reply {
  int grpc_status = 0;       // -1: the connection broke or the answer was no gRPC
  std::string grpc_message;  // percent-encoded, as received
  std::string_view message;  // of the answer, without the frame's prefix; valid during the callback
};

class H2Connection {
 public:
  using OnReply = std::function<void(const Reply&)>;
  using OnMessage = std::function<void(std::string_view message)>;
  struct Stream;

  // Connects (blocking) to "host:port" or "unix:path"; ends the process with a message if it cannot.
  explicit H2Connection(const std::string& endpoint);
  ~H2Connection();

  // Whether somebody listens there, over TCP.
  static bool Accepts(const std::string& endpoint);
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // Queues a call; it leaves with the next Flush. `path` must live on.
  void Call(const char* path, std::string_view message, OnReply on_reply);

  // Queues a call with one request whose answers come one by one; `on_end` gets the status and no message.
  void CallStreaming(const char* path, std::string_view message, OnMessage on_message, OnReply on_end);

  // Opens a stream that takes messages until the connection is closed; null when the connection is broken. The stream
  // belongs to the connection and may be used until `on_end` was called.
  Stream* Open(const char* path, OnMessage on_message, OnReply on_end);
  void Send(Stream* stream, std::string_view message);

  void Flush();     // writes what is queued
  void ReadSome();  // reads what is there and runs the callbacks
  bool wants_write() const { return !unsent_.empty(); }
  bool broken() const { return broken_; }
  int fd() const { return fd_; }

 private:
  Stream* Start(const char* path, OnMessage on_message, OnReply on_end);
  static ssize_t ReadRequest(nghttp2_session*, int32_t id, uint8_t* to, size_t size, uint32_t* flags,
                             nghttp2_data_source* source, void* user);
  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t flags, void* user);
  static int OnData(nghttp2_session*, uint8_t flags, int32_t id, const uint8_t* data, size_t size, void* user);
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* user);
  void Break(const std::string& why);

  int fd_ = -1;
  bool broken_ = false;
  std::string authority_;
  nghttp2_session* session_ = nullptr;
  std::string unsent_;
  std::vector<std::unique_ptr<Stream>> pool_;  // all streams ever made; the free ones are reused
  std::vector<Stream*> free_;
};

}  // namespace regent::bench
