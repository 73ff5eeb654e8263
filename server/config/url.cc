#include "server/config/url.h"

#include <arpa/inet.h>

#include <charconv>

#include "api/contract/status_macros.h"

namespace regent::server {
namespace {

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError("the URL \"" + std::string(text) + "\" is not valid: " + std::string(why));
}

bool IsIp(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

absl::StatusOr<uint16_t> ParsePort(std::string_view text, std::string_view port) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (error != std::errc() || end != port.data() + port.size() || value > 65535) {
    return Bad(text, "\"" + std::string(port) + "\" is not a port between 0 and 65535");
  }
  return static_cast<uint16_t>(value);
}

}  // namespace

Url Url::Tcp(std::string_view scheme, std::string_view host, uint16_t port) {
  Url url{std::string(scheme), std::string(host), port, ""};
  url.text = url.scheme + "://" + url.host + ":" + std::to_string(port);
  return url;
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const size_t separator = text.find("://");
  if (separator == std::string_view::npos) return Bad(text, "it must look like http://host:port or unix://path");
  Url url;
  url.text = std::string(text);
  url.scheme = std::string(text.substr(0, separator));
  std::string_view rest = text.substr(separator + 3);
  if (url.scheme != "http" && url.scheme != "https" && !url.is_unix()) {
    return Bad(text, "the scheme must be http, https, unix or unixs");
  }
  if (url.is_unix()) {
    if (rest.empty()) return Bad(text, "a unix URL needs a path");
    url.host = std::string(rest);
    return url;
  }
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.find('/') != std::string_view::npos) return Bad(text, "it must not have a path");
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.back() == ']') return Bad(text, "the port is missing");
  std::string_view host = rest.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  url.host = std::string(host);
  REGENT_ASSIGN_OR_RETURN(url.port, ParsePort(text, rest.substr(colon + 1)));
  return url;
}

absl::StatusOr<std::vector<Url>> ParseUrls(std::string_view text) {
  std::vector<Url> urls;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view one = text.substr(0, comma);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    REGENT_ASSIGN_OR_RETURN(Url url, ParseUrl(one));
    for (const Url& other : urls) {
      if (other == url && url.port != 0) return Bad(one, "it is given twice");
    }
    urls.push_back(std::move(url));
    if (comma == std::string_view::npos) return urls;
    text.remove_prefix(comma + 1);
  }
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
  if (url.is_unix() || url.host.empty() || url.host == "localhost" || IsIp(url.host)) return absl::OkStatus();
  return Bad(url.text, "a listener needs an IP address or localhost, not the host name \"" + url.host + "\"");
}

}  // namespace regent::server
