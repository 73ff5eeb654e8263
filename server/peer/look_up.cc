#include "server/peer/look_up.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <array>
#include <memory>

namespace regent::server {

absl::StatusOr<std::vector<std::string>> LookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return absl::UnavailableError("lookup " + host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (one->ai_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr;
    if (one->ai_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr;
    if (bytes == nullptr) continue;
    addresses.push_back(inet_ntop(one->ai_family, bytes, text.data(), text.size()));
  }
  if (addresses.empty()) return absl::UnavailableError("lookup " + host + ": no address");
  return addresses;
}

}  // namespace regent::server
