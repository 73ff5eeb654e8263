// The ids of a cluster that is being bootstrapped, derived as etcd derives them, so that a member started with the same
// flags has the same ids under either server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace regent::server {

struct BootstrapMember {
  std::string name;
  std::vector<std::string> peer_urls;  // as written
};

// "name=url,name=url,…": a name given several times has several URLs. Errors have etcd's texts.
absl::StatusOr<std::vector<BootstrapMember>> ParseInitialCluster(std::string_view text);

// The first eight bytes, big-endian, of SHA-1 over the sorted peer URLs and the cluster token.
uint64_t DeriveMemberId(std::vector<std::string> peer_urls, std::string_view cluster_token);

// The first eight bytes of SHA-1 over the sorted member ids, eight bytes big-endian each.
uint64_t DeriveClusterId(std::vector<uint64_t> member_ids);

}  // namespace regent::server
