// A URL of a listener or of a member: http://host:port or unix://path. https and unixs parse, so that the refusal can
// name them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace regent::server {

struct Url {
  std::string scheme;  // http, https, unix, unixs
  std::string host;    // without brackets; of unix URLs the path
  uint32_t port = 0;   // as written, 65535 may be exceeded; 0 asks a listener for a free one; unused for unix URLs
  std::string text;    // as written but for the scheme, in small letters: what members advertise is passed on verbatim

  static Url Tcp(std::string_view scheme, std::string_view host, uint32_t port);
  bool is_unix() const { return scheme == "unix" || scheme == "unixs"; }
  bool is_secure() const { return scheme == "https" || scheme == "unixs"; }
  bool operator==(const Url&) const = default;
};

// One URL. Errors have etcd's texts and name the URL.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// A comma-separated list, at least one; sorted by text, each once.
absl::StatusOr<std::vector<Url>> ParseUrls(std::string_view text);

std::string JoinUrls(const std::vector<Url>& urls);

// A listener binds to an address: its host is an IP or localhost, never a name to be looked up.
absl::Status CheckListenHost(const Url& url);

}  // namespace regent::server
