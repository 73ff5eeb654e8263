// URLs and certificates of the settings as the transport between members takes them.
#pragma once

#include <optional>
#include <string>

#include "server/config/settings.h"
#include "server/config/url.h"
#include "server/node_storage.h"
#include "server/peer/options.h"
#include "server/peer/self_certificate.h"

namespace regent::server {

inline PeerUrl ToPeerUrl(const Url& url) {
  return {.secure = url.is_secure(),
          .address = {.is_unix = url.is_unix(), .host = url.host, .port = static_cast<uint16_t>(url.port)}};
}

// Whether this member makes itself a certificate: a given one counts more, as it does for etcd.
inline bool MakesPeerCertificate(const Settings& settings) {
  return settings.peer_auto_tls && settings.peer_cert_file.empty() && settings.peer_key_file.empty();
}

// Where it lies.
inline std::string PeerFixtures(const Settings& settings) { return DataDirectory(settings) + "/fixtures/peer"; }

// nullopt: members speak in the clear.
inline std::optional<TlsOptions> PeerTls(const Settings& settings) {
  if (MakesPeerCertificate(settings)) {
    return TlsOptions{.certificate_file = SelfCertificatePath(PeerFixtures(settings)),
                      .key_file = SelfKeyPath(PeerFixtures(settings)),
                      .skip_verification = true};
  }
  if (settings.peer_cert_file.empty() && settings.peer_key_file.empty()) return std::nullopt;
  return TlsOptions{
      .certificate_file = settings.peer_cert_file,
      .key_file = settings.peer_key_file,
      .client_certificate_file = settings.peer_client_cert_file,
      .client_key_file = settings.peer_client_key_file,
      .trusted_ca_file = settings.peer_trusted_ca_file,
      .require_client_certificate = settings.peer_client_cert_auth || !settings.peer_trusted_ca_file.empty(),
      .allowed_common_names = settings.peer_cert_allowed_cn,
      .allowed_host_names = settings.peer_cert_allowed_hostname,
      .skip_client_address_check = settings.peer_skip_client_san_verification};
}

}  // namespace regent::server
