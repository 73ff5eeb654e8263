#include "server/config/identity.h"

#include <openssl/sha.h>

#include <algorithm>

#include "server/config/url.h"

namespace regent::server {
namespace {

uint64_t FirstEightBytesOfSha1(const std::string& bytes) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  uint64_t id = 0;
  for (int i = 0; i < 8; ++i) id = id << 8 | digest[i];
  return id;
}

}  // namespace

absl::StatusOr<std::vector<BootstrapMember>> ParseInitialCluster(std::string_view text) {
  std::vector<BootstrapMember> members;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const size_t equals = std::min(part.find('='), part.size());
    if (part.empty()) continue;
    const std::string name(part.substr(0, equals));
    const absl::StatusOr<Url> url = ParseUrl(part.substr(std::min(equals + 1, part.size())));
    if (!url.ok()) {
      return absl::InvalidArgumentError("error setting up initial cluster: " + std::string(url.status().message()));
    }
    auto member = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.name == name; });
    if (member == members.end()) member = members.insert(members.end(), BootstrapMember{name, {}});
    member->peer_urls.push_back(url->text);
  }
  return members;
}

uint64_t DeriveMemberId(std::vector<std::string> peer_urls, std::string_view cluster_token) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string bytes;
  for (const std::string& url : peer_urls) bytes += url;
  return FirstEightBytesOfSha1(bytes + std::string(cluster_token));
}

uint64_t DeriveClusterId(std::vector<uint64_t> member_ids) {
  std::sort(member_ids.begin(), member_ids.end());
  std::string bytes;
  for (uint64_t id : member_ids) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(id >> shift & 0xff);
  }
  return FirstEightBytesOfSha1(bytes);
}

}  // namespace regent::server
