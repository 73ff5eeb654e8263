#include "server/config/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "api/contract/status_macros.h"

namespace regent::server {
namespace {

absl::Status Bad(std::string text) { return absl::InvalidArgumentError(std::move(text)); }

bool IsIp(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The length of the scheme at the front of `text`, without its colon; 0: there is none.
size_t SchemeLength(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ':') return i;
    const bool allowed =
        IsLetter(text[i]) || (i > 0 && (IsDigit(text[i]) || text[i] == '+' || text[i] == '-' || text[i] == '.'));
    if (!allowed) return 0;
  }
  return 0;
}

absl::Status BadScheme(const std::string& text) {
  const std::string first = text.substr(0, text.find('/'));
  if (SchemeLength(text) == 0 && first.find(':') != std::string::npos) {
    return Bad("parse \"" + text + "\": first path segment in URL cannot contain colon");
  }
  return Bad("URL scheme must be http, https, unix, or unixs: " + text);
}

// "host:port", the host perhaps in brackets.
absl::Status ParseAddress(const std::string& text, std::string_view address, Url& url) {
  const size_t colon = address.rfind(':');
  const bool bracketed = !address.empty() && address[0] == '[';
  const size_t host_end = bracketed ? address.find(']') : address.find(':');
  const bool has_form =
      colon != std::string_view::npos && host_end != std::string_view::npos && colon == host_end + (bracketed ? 1 : 0);
  if (!has_form) return Bad("URL address does not have the form \"host:port\": " + text);
  url.host = std::string(bracketed ? address.substr(1, host_end - 1) : address.substr(0, colon));
  const std::string port(address.substr(colon + 1));
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (!port.empty() && (error != std::errc() || end != port.data() + port.size())) {
    return Bad("parse \"" + text + "\": invalid port \":" + port + "\" after host");
  }
  return absl::OkStatus();
}

}  // namespace

Url Url::Tcp(std::string_view scheme, std::string_view host, uint32_t port) {
  Url url{std::string(scheme), std::string(host), port, ""};
  url.text = url.scheme + "://" + url.host + ":" + std::to_string(port);
  return url;
}

absl::StatusOr<Url> ParseUrl(std::string_view input) {
  while (!input.empty() && input.front() == ' ') input.remove_prefix(1);
  while (!input.empty() && input.back() == ' ') input.remove_suffix(1);
  const std::string text(input);
  Url url;
  const size_t scheme_length = SchemeLength(text);
  for (size_t i = 0; i < scheme_length; ++i) url.scheme += static_cast<char>(std::tolower(text[i]));
  if (url.scheme != "http" && url.scheme != "https" && !url.is_unix()) return BadScheme(text);
  url.text = url.scheme + text.substr(scheme_length);
  std::string_view rest = std::string_view(text).substr(scheme_length + 1);
  const bool has_authority = rest.substr(0, 2) == "//";
  if (has_authority) rest.remove_prefix(2);
  if (url.is_unix()) {
    if (rest.empty()) return Bad("a unix URL needs a path: " + text);
    url.host = std::string(rest);
    return url;
  }
  if (!has_authority) return Bad("URL address does not have the form \"host:port\": " + text);
  if (rest.find_first_of("?#@ ") != std::string_view::npos) {
    return Bad("URL must not contain a user, a query, a fragment or a space: " + text);
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  REGENT_RETURN_IF_ERROR(ParseAddress(text, rest.substr(0, slash), url));
  if (slash != rest.size()) return Bad("URL must not contain a path: " + text);
  return url;
}

absl::StatusOr<std::vector<Url>> ParseUrls(std::string_view text) {
  std::vector<Url> urls;
  while (true) {
    const size_t comma = text.find(',');
    REGENT_ASSIGN_OR_RETURN(Url url, ParseUrl(text.substr(0, comma)));
    urls.push_back(std::move(url));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::sort(urls.begin(), urls.end(), [](const Url& a, const Url& b) { return a.text < b.text; });
  urls.erase(std::unique(urls.begin(), urls.end()), urls.end());
  return urls;
}

std::string JoinUrls(const std::vector<Url>& urls) {
  std::string joined;
  for (const Url& url : urls) {
    if (!joined.empty()) joined += ',';
    joined += url.text;
  }
  return joined;
}

absl::Status CheckListenHost(const Url& url) {
  if (url.is_unix() || url.host == "localhost" || IsIp(url.host)) return absl::OkStatus();
  return Bad("expected IP in URL for binding (" + url.text + ")");
}

}  // namespace regent::server
