// Bytes as they come from a client, through the parser and the endpoints. Promises checked:
//   * a complete request is complete exactly at its size: one byte less is incomplete, more bytes change nothing;
//   * what is incomplete is bounded: beyond head and body limits the parser refuses;
//   * every parsed request is answered exactly once, and the answer can be encoded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include "server/rpc/http_endpoints.h"
#include "server/rpc/http_message.h"
#include "tests/server/rpc_fake_backend.h"

namespace regent::server {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void Answer(const HttpRequest& request) {
  FLAGS_minloglevel = google::FATAL;  // failing checks are reported otherwise
  FakeBackend backend;
  backend.alarms = {{1, api::AlarmType::kCorrupt}};
  static Metrics metrics;  // large, and only counts
  HttpEndpoints endpoints({.versions =
                               [] {
                                 return HttpEndpoints::Versions{"3", "3", "3"};
                               },
                           .cors = {"http://a"},
                           .host_whitelist = {"a", "localhost"}},
                          backend, metrics);
  int answers = 0;
  endpoints.Handle(request, HttpEndpoints::Scope::kClient, [&](const HttpResponse& response) {
    ++answers;
    const std::string encoded = EncodeHttpResponse(response, request.method == "HEAD", request.keep_alive);
    const std::string_view head = std::string_view(encoded).substr(0, encoded.find("\r\n\r\n"));
    Require(head.find('\0') == std::string_view::npos);
  });
  Require(answers == 1);
}

}  // namespace
}  // namespace regent::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace regent::server;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const HttpLimits limits{.head_bytes_max = 512, .headers_max = 8, .body_bytes_max = 64};
  const auto outcome = ParseHttpRequest(input, limits);
  if (std::holds_alternative<HttpIncomplete>(outcome)) {
    Require(size <= limits.head_bytes_max + limits.body_bytes_max + 6);
    return 0;
  }
  const auto* parsed = std::get_if<HttpParsed>(&outcome);
  if (parsed == nullptr) return 0;
  Require(parsed->size_bytes > 0 && parsed->size_bytes <= size);
  Require(parsed->request.headers.size() <= limits.headers_max);
  Require(std::holds_alternative<HttpIncomplete>(ParseHttpRequest(input.substr(0, parsed->size_bytes - 1), limits)));
  const auto again = ParseHttpRequest(input.substr(0, parsed->size_bytes), limits);
  const auto* same = std::get_if<HttpParsed>(&again);
  Require(same != nullptr && same->size_bytes == parsed->size_bytes && same->request.path == parsed->request.path &&
          same->request.headers == parsed->request.headers && same->request.body == parsed->request.body);
  Answer(parsed->request);
  return 0;
}
