#include "server/rpc/http_message.h"

#include <algorithm>
#include <cctype>

namespace regent::server {
namespace {

constexpr size_t kMethodBytesMax = 32;

// RFC 9110's tchar: what method and header names are made of.
bool IsTokenChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsToken(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar); }

bool IsFieldChar(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { kAsIs, kIsBlank };

std::optional<std::string> PercentDecode(std::string_view text, Plus plus) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' && plus == Plus::kIsBlank ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexValue(text[i + 1]), low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Splits at the first `separator`; without one, `rest` is empty.
std::string_view CutAt(char separator, std::string_view& rest) {
  const size_t at = rest.find(separator);
  const std::string_view first = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return first;
}

bool ParseTarget(std::string_view target, HttpRequest& request) {
  for (const std::string_view scheme : {"http://", "https://"}) {  // absolute form: only its path matters here
    if (target.substr(0, scheme.size()) != scheme) continue;
    const size_t path = target.find('/', scheme.size());
    target = path == std::string_view::npos ? "/" : target.substr(path);
    break;
  }
  if (target == "*" && request.method == "OPTIONS") {
    request.path = "*";
    return true;
  }
  if (target.empty() || target[0] != '/') return false;
  std::string_view query = target;
  std::optional<std::string> path = PercentDecode(CutAt('?', query), Plus::kAsIs);
  if (!path.has_value()) return false;
  request.path = std::move(*path);
  while (!query.empty()) {
    std::string_view value = CutAt('&', query);
    if (value.empty()) continue;
    std::optional<std::string> name = PercentDecode(CutAt('=', value), Plus::kIsBlank);
    std::optional<std::string> decoded = PercentDecode(value, Plus::kIsBlank);
    if (name.has_value() && decoded.has_value()) request.query.emplace_back(std::move(*name), std::move(*decoded));
  }
  return true;
}

// 0: understood; otherwise the status to refuse with.
int ParseRequestLine(std::string_view line, HttpRequest& request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(method) || method.size() > kMethodBytesMax) return 400;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return version.substr(0, 5) == "HTTP/" ? 505 : 400;
  request.keep_alive = version == "HTTP/1.1";
  request.method = std::string(method);
  const auto printable = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; };
  if (!std::all_of(target.begin(), target.end(), printable)) return 400;
  return ParseTarget(target, request) ? 0 : 400;
}

int ParseHeaders(std::string_view head, const HttpLimits& limits, HttpRequest& request) {
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    std::string_view line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 2);
    if (line.find(':') == std::string_view::npos) return 400;
    const std::string_view name = CutAt(':', line);
    const std::string_view value = Trim(line);
    if (!IsToken(name) || !std::all_of(value.begin(), value.end(), IsFieldChar)) return 400;
    if (request.headers.size() == limits.headers_max) return 431;
    request.headers.emplace_back(Lower(name), std::string(value));
  }
  return 0;
}

struct BodyLength {
  int refused = 0;
  size_t size_bytes = 0;
};

BodyLength FindBodyLength(const HttpRequest& request, const HttpLimits& limits) {
  if (request.Header("transfer-encoding").has_value()) return {501};
  BodyLength length;
  int seen = 0;
  for (const auto& [name, value] : request.headers) {
    if (name != "content-length") continue;
    const bool digits =
        !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || ++seen > 1) return {400};
    if (value.size() > 12 || std::stoull(value) > limits.body_bytes_max) return {413};
    length.size_bytes = std::stoull(value);
  }
  return length;
}

// What the Connection header and a missing or repeated Host say.
int ApplyConnectionHeaders(bool is_1_1, HttpRequest& request) {
  int hosts = 0;
  for (const auto& [name, value] : request.headers) {
    if (name == "host") ++hosts;
    if (name != "connection") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::string option = Lower(Trim(CutAt(',', rest)));
      if (option == "close") request.keep_alive = false;
      if (option == "keep-alive" && !is_1_1) request.keep_alive = true;
    }
  }
  return hosts > 1 || (is_1_1 && hosts == 0) ? 400 : 0;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Request Entity Too Large";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace

std::optional<std::string_view> HttpRequest::Header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return std::nullopt;
}

bool HttpRequest::HasQuery(std::string_view name) const {
  return std::any_of(query.begin(), query.end(), [name](const auto& entry) { return entry.first == name; });
}

std::string_view HttpRequest::Query(std::string_view name) const {
  for (const auto& [entry, value] : query) {
    if (entry == name) return value;
  }
  return {};
}

HttpResponse HttpResponse::Text(int status, std::string body) {
  body += '\n';
  return HttpResponse{
      status, {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}}, std::move(body)};
}

std::variant<HttpParsed, HttpIncomplete, HttpRefused> ParseHttpRequest(std::string_view buffer,
                                                                       const HttpLimits& limits) {
  const size_t skipped = buffer.substr(0, 2) == "\r\n" ? 2 : 0;  // one empty line before a request is tolerated
  std::string_view rest = buffer.substr(skipped);
  if (!rest.empty() && rest != "\r" && !IsTokenChar(rest[0])) return HttpRefused{400};
  const size_t head_end = rest.find("\r\n\r\n");
  if (head_end == std::string_view::npos) {
    if (rest.size() > limits.head_bytes_max + 3) return HttpRefused{431};  // three bytes of the end may be here already
    return HttpIncomplete{};
  }
  if (head_end > limits.head_bytes_max) return HttpRefused{431};

  const std::string_view head = rest.substr(0, head_end);
  const size_t line_end = std::min(head.find("\r\n"), head.size());
  HttpParsed parsed;
  if (const int refused = ParseRequestLine(head.substr(0, line_end), parsed.request)) return HttpRefused{refused};
  const bool is_1_1 = parsed.request.keep_alive;  // as the request line alone says
  const std::string_view headers = line_end == head.size() ? std::string_view() : head.substr(line_end + 2);
  if (const int refused = ParseHeaders(headers, limits, parsed.request)) return HttpRefused{refused};
  if (const int refused = ApplyConnectionHeaders(is_1_1, parsed.request)) return HttpRefused{refused};

  const BodyLength body = FindBodyLength(parsed.request, limits);
  if (body.refused != 0) return HttpRefused{body.refused};
  const size_t body_begin = head_end + 4;
  if (rest.size() - body_begin < body.size_bytes) return HttpIncomplete{};
  parsed.request.body = std::string(rest.substr(body_begin, body.size_bytes));
  parsed.size_bytes = skipped + body_begin + body.size_bytes;
  return parsed;
}

std::string EncodeHttpResponse(const HttpResponse& response, bool is_head, bool keep_alive) {
  std::string out =
      "HTTP/1.1 " + std::to_string(response.status) + ' ' + std::string(ReasonPhrase(response.status)) + "\r\n";
  for (const auto& [name, value] : response.headers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  if (!keep_alive) out += "Connection: close\r\n";
  out += "\r\n";
  if (!is_head) out += response.body;
  return out;
}

}  // namespace regent::server
