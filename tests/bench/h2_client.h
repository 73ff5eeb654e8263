// A gRPC client of unary calls that costs little: plaintext HTTP/2 by nghttp2, one read and one write for each turn of
// the loop and connection. Single-threaded.
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

  // Connects (blocking) to "host:port" or "unix:path"; ends the process with a message if it cannot.
  explicit H2Connection(const std::string& endpoint);
  ~H2Connection();
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // Queues a call; it leaves with the next Flush. `path` must live on.
  void Call(const char* path, std::string_view message, OnReply on_reply);

  void Flush();     // writes what is queued
  void ReadSome();  // reads what is there and runs the callbacks
  bool wants_write() const { return !unsent_.empty(); }
  bool broken() const { return broken_; }
  int fd() const { return fd_; }

 private:
  struct Stream;
  static ssize_t ReadRequest(nghttp2_session*, int32_t id, uint8_t* to, size_t size, uint32_t* flags,
                             nghttp2_data_source* source, void* user);
  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t flags, void* user);
  static int OnData(nghttp2_session*, uint8_t flags, int32_t id, const uint8_t* data, size_t size, void* user);
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* user);
  void Break();

  int fd_ = -1;
  bool broken_ = false;
  std::string authority_;
  nghttp2_session* session_ = nullptr;
  std::string unsent_;
  std::vector<std::unique_ptr<Stream>> pool_;  // all streams ever made; the free ones are reused
  std::vector<Stream*> free_;
  std::string read_buffer_;
};

}  // namespace regent::bench
