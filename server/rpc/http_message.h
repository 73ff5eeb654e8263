// HTTP/1.1 requests and responses: a small parser with hard limits, and the writer of a response.
//
// Grammar: RFC 9112. Strict where leniency has led to request smuggling: CRLF line ends only, no folded header lines,
// no space before a colon, at most one Content-Length, no Content-Length beside Transfer-Encoding. Chunked bodies are
// refused (501): clients of the gateway know the length of what they send.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace regent::server {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;                                        // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in the order given; "?verbose" has an empty value
  HttpHeaders headers;                                     // names in lower case
  std::string body;
  bool keep_alive = true;  // the client wants the connection to stay

  std::optional<std::string_view> Header(std::string_view lower_case_name) const;  // the first of that name
  bool HasQuery(std::string_view name) const;
  std::string_view Query(std::string_view name) const;  // the first value; empty if absent
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;  // beside Content-Length and Connection, which the writer adds
  std::string body;

  static HttpResponse Text(int status, std::string body);  // as Go's http.Error: plain text, nosniff, a newline added
};

struct HttpLimits {
  size_t head_bytes_max = 16 * 1024;  // request line and headers
  size_t headers_max = 100;
  size_t body_bytes_max = 64 * 1024;
};

// What the front of a buffer holds.
struct HttpParsed {
  HttpRequest request;
  size_t size_bytes = 0;  // of the buffer, consumed by this request
};
struct HttpIncomplete {};
struct HttpRefused {  // answer and close: what follows cannot be trusted
  int status = 400;
};
std::variant<HttpParsed, HttpIncomplete, HttpRefused> ParseHttpRequest(std::string_view buffer,
                                                                       const HttpLimits& limits);

// The bytes of a response. To a HEAD request the body is announced and left out.
std::string EncodeHttpResponse(const HttpResponse& response, bool is_head, bool keep_alive);

}  // namespace regent::server
