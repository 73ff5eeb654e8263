// Asks another cluster's member who the members are, before there is anything of this one. Blocks.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "server/peer/hello.h"
#include "server/peer/options.h"

namespace regent::server {

// The first answer that one of the URLs gives. Unavailable: none of them answered in time, and why the last one did
// not.
absl::StatusOr<ClusterMembers> FetchMembers(const std::vector<PeerUrl>& urls, const std::optional<TlsOptions>& tls,
                                            std::chrono::milliseconds patience_each);

}  // namespace regent::server
