// A certificate that a member makes for itself (--peer-auto-tls), as etcd does it: P-521, signed by its own key, with
// the hosts that it listens on. Connections are then encrypted and nobody is authenticated: whoever reaches the port
// can still pretend to be a member.
//
//   <folder>/cert.pem   the certificate
//   <folder>/key.pem    its key, readable by the owner alone
//
// Both are kept when both are there, whatever their age: nobody checks it. The certificate is the last one to be
// written and the first one to go, so that where it is, its key is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace regent::server {

// Makes the folder and the files where they are missing. `hosts`: names or IP addresses. Errors name the file.
absl::Status EnsureSelfCertificate(const std::string& folder, const std::vector<std::string>& hosts, uint64_t years);

inline std::string SelfCertificatePath(const std::string& folder) { return folder + "/cert.pem"; }
inline std::string SelfKeyPath(const std::string& folder) { return folder + "/key.pem"; }

}  // namespace regent::server
