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
  uint16_t port = 0;   // 0 asks the system for a free port; unused for unix URLs
  std::string text;    // as written: what members advertise is passed on verbatim

  static Url Tcp(std::string_view scheme, std::string_view host, uint16_t port);
  bool is_unix() const { return scheme == "unix" || scheme == "unixs"; }
  bool is_secure() const { return scheme == "https" || scheme == "unixs"; }
  bool operator==(const Url&) const = default;
};

// One URL. Errors name the text and what is wrong with it.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// A comma-separated list, at least one, without duplicates.
absl::StatusOr<std::vector<Url>> ParseUrls(std::string_view text);

std::string JoinUrls(const std::vector<Url>& urls);

// A listener binds to an address: its host is an IP, localhost or empty (all interfaces), never a name to be looked up.
absl::Status CheckListenHost(const Url& url);

}  // namespace regent::server
