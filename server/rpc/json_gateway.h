// The services as JSON over HTTP/1.1: POST /v3/kv/put and the other paths of etcd's gateway, for the unary methods. A
// request's JSON becomes the bytes of its message, goes to the same method as a gRPC call's, and the answer's bytes
// become JSON: 64-bit integers are strings, bytes are base64, fields have the names of the contract; fields that a
// request has beyond them are ignored, lowerCamelCase is understood.
//
// An error is {"code":…,"message":…} with the HTTP status that belongs to the gRPC code. Metadata: the
// header Authorization, as `authorization`; Grpc-Metadata-<name>, as <name>; the headers of RFC 9110 and some others,
// as `grpcgateway-<name>`.
//
// The methods' own limits and checks hold; a message larger than the RPC engine would take is refused as there. Streams
// (watch, keepalive, snapshot, observe) are not served: 501.
//
// Threads: Handle from any thread. Conversions and methods run on `executor`, so that whoever reads the sockets is not
// held up; the answer comes on the executor too.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "api/service/call.h"
#include "server/rpc/http_message.h"
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"

namespace regent::server {

class JsonGateway {
 public:
  struct Options {
    std::vector<api::Method> methods;  // as the RPC engine has them
    size_t message_bytes_max = 2 * 1024 * 1024;
  };

  // `executor` outlives the gateway and every call.
  JsonGateway(Options options, Loop& executor, Metrics& metrics);
  ~JsonGateway();

  // `done` is called exactly once, unless the executor has been stopped.
  using Done = absl::AnyInvocable<void(HttpResponse)>;
  void Handle(const HttpRequest& request, Done done);

  // What a listener should take as a body, so that every message of up to `message_bytes` fits in its JSON.
  static constexpr size_t BodyBytesMax(size_t message_bytes) { return message_bytes * 3 / 2 + 64 * 1024; }

 private:
  class Served;
  const std::shared_ptr<Served> served_;
};

}  // namespace regent::server
