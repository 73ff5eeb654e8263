// TLS between members, by OpenSSL. The files are read for every connection anew: a renewed certificate counts from the
// next one on, without a restart. Connections between members are few and last.
//
// As etcd does it: each side shows its certificate; the side that dials checks the other's name against the host of the
// URL; the side that is dialled asks for a certificate when it is told to, and then checks it against the trusted
// authorities, the allowed names, and, unless told otherwise, the address that the caller comes from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/peer/byte_stream.h"

namespace regent::server {

struct TlsOptions {
  std::string certificate_file;         // PEM, with the chain behind it
  std::string key_file;                 // PEM
  std::string client_certificate_file;  // shown by the side that dials; empty: the same
  std::string client_key_file;
  std::string trusted_ca_file;  // PEM; empty: the system's authorities
  bool require_client_certificate = false;
  std::vector<std::string> allowed_common_names;  // of callers; empty: any
  std::vector<std::string> allowed_host_names;    // of callers, in their certificate's names; empty: any
  bool skip_client_address_check = false;
  bool skip_verification = false;  // with certificates that members made for themselves: encrypted, not authenticated
  std::vector<std::string> cipher_suites;  // names as IANA has them, of TLS 1.2; empty: OpenSSL's choice
  bool tls_1_3_at_least = false;
  bool tls_1_2_at_most = false;
};

// Reads the files and says what is wrong with them, so that a start with bad ones fails with a sentence.
absl::Status CheckTls(const TlsOptions& options);

// For a socket that was accepted. Errors: the files cannot be used (now).
absl::StatusOr<SslHandle> NewServerTls(const TlsOptions& options);
// For a socket that connects to `host`, a name or an IP address.
absl::StatusOr<SslHandle> NewClientTls(const TlsOptions& options, const std::string& host);

// After the handshake on the side that was dialled: is the caller's certificate one of those allowed?
// `address`: where it comes from, an IP address; empty for a unix socket.
absl::Status CheckCaller(const ByteStream& stream, const TlsOptions& options, const std::string& address);

}  // namespace regent::server
