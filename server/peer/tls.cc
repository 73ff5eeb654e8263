#include "server/peer/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/contract/status_macros.h"

namespace regent::server {
namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextHandle = std::unique_ptr<SSL_CTX, ContextDeleter>;

struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using CertificateHandle = std::unique_ptr<X509, CertificateDeleter>;

absl::Status SslError(const std::string& what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", text.data()));
}

bool IsIp(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

enum class Side : uint8_t { kServer, kClient };

absl::Status UseFiles(SSL_CTX* context, const TlsOptions& options, Side side) {
  const bool own = side == Side::kClient && !options.client_certificate_file.empty();
  const std::string& certificate = own ? options.client_certificate_file : options.certificate_file;
  const std::string& key = own ? options.client_key_file : options.key_file;
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return SslError("the certificate " + certificate + " cannot be used");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return SslError("the key " + key + " cannot be used");
  }
  return absl::OkStatus();
}

// Only where somebody is verified: the system's authorities take a while to read.
absl::Status UseAuthorities(SSL_CTX* context, const TlsOptions& options) {
  // As Go's library: an authority that is trusted need not be a root.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  if (options.trusted_ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, options.trusted_ca_file.c_str(), nullptr) != 1) {
    return SslError("the trusted authorities in " + options.trusted_ca_file + " cannot be used");
  }
  return absl::OkStatus();
}

absl::Status UseCiphers(SSL_CTX* context, const TlsOptions& options) {
  if (options.cipher_suites.empty()) return absl::OkStatus();
  std::string names;
  for (const std::string& suite : options.cipher_suites) {
    const std::string name = OPENSSL_cipher_name(suite.c_str());
    if (name == "(NONE)") return absl::InvalidArgumentError("unexpected TLS cipher suite \"" + suite + "\"");
    absl::StrAppend(&names, names.empty() ? "" : ":", name);
  }
  if (SSL_CTX_set_cipher_list(context, names.c_str()) != 1) return SslError("the cipher suites " + names);
  return absl::OkStatus();
}

absl::StatusOr<ContextHandle> NewContext(const TlsOptions& options, Side side) {
  ERR_clear_error();
  ContextHandle context(SSL_CTX_new(TLS_method()));
  if (context == nullptr) return SslError("OpenSSL gives no context");
  SSL_CTX_set_min_proto_version(context.get(), options.tls_1_3_at_least ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (options.tls_1_2_at_most) SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  // An end without the farewell of TLS is an end: frames tell by themselves whether they are whole.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // A key that wants a password is one that cannot be used; nobody is there to be asked.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  REGENT_RETURN_IF_ERROR(UseFiles(context.get(), options, side));
  REGENT_RETURN_IF_ERROR(UseCiphers(context.get(), options));
  return context;
}

absl::StatusOr<SslHandle> NewSsl(SSL_CTX* context) {
  SslHandle ssl(SSL_new(context));  // shares the context
  if (ssl == nullptr) return SslError("OpenSSL gives no connection");
  return ssl;
}

std::string CommonName(X509* certificate) {
  std::array<char, 256> name{};
  const int size =
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  return size < 0 ? "" : std::string(name.data(), static_cast<size_t>(size));
}

// Names of hosts are not looked up: that would wait for the network, and the authority has signed them.
bool NamesAddressesAndNoHosts(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool addresses = false, hosts = false;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const int type = sk_GENERAL_NAME_value(names, i)->type;
    addresses = addresses || type == GEN_IPADD;
    hosts = hosts || type == GEN_DNS;
  }
  GENERAL_NAMES_free(names);
  return addresses && !hosts;
}

}  // namespace

absl::Status CheckTls(const TlsOptions& options) {
  REGENT_RETURN_IF_ERROR(NewContext(options, Side::kServer).status());
  REGENT_ASSIGN_OR_RETURN(const ContextHandle context, NewContext(options, Side::kClient));
  return UseAuthorities(context.get(), options);
}

absl::StatusOr<SslHandle> NewServerTls(const TlsOptions& options) {
  REGENT_ASSIGN_OR_RETURN(ContextHandle context, NewContext(options, Side::kServer));
  if (options.require_client_certificate) {
    REGENT_RETURN_IF_ERROR(UseAuthorities(context.get(), options));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  REGENT_ASSIGN_OR_RETURN(SslHandle ssl, NewSsl(context.get()));
  SSL_set_accept_state(ssl.get());
  return ssl;
}

absl::StatusOr<SslHandle> NewClientTls(const TlsOptions& options, const std::string& host) {
  REGENT_ASSIGN_OR_RETURN(ContextHandle context, NewContext(options, Side::kClient));
  if (!options.skip_verification) REGENT_RETURN_IF_ERROR(UseAuthorities(context.get(), options));
  REGENT_ASSIGN_OR_RETURN(SslHandle ssl, NewSsl(context.get()));
  SSL_set_connect_state(ssl.get());
  if (options.skip_verification) return ssl;
  SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl.get());
  const bool is_ip = IsIp(host);
  const int named = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str())
                          : X509_VERIFY_PARAM_set1_host(expected, host.c_str(), host.size());
  if (named != 1) return SslError("the host " + host + " cannot be looked for in a certificate");
  if (!is_ip) SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  return ssl;
}

absl::Status CheckCaller(const ByteStream& stream, const TlsOptions& options, const std::string& address) {
  if (stream.ssl() == nullptr || !options.require_client_certificate) return absl::OkStatus();
  const CertificateHandle certificate(SSL_get1_peer_certificate(stream.ssl()));
  if (certificate == nullptr) return absl::UnauthenticatedError("the caller shows no certificate");
  const auto& names = options.allowed_common_names;
  if (!names.empty() && std::find(names.begin(), names.end(), CommonName(certificate.get())) == names.end()) {
    return absl::UnauthenticatedError("client certificate authentication failed: the common name is not allowed");
  }
  const auto& hosts = options.allowed_host_names;
  const auto covers = [&](const std::string& host) {
    return X509_check_host(certificate.get(), host.c_str(), host.size(), 0, nullptr) == 1;
  };
  if (!hosts.empty() && std::none_of(hosts.begin(), hosts.end(), covers)) {
    return absl::UnauthenticatedError("client certificate authentication failed: no host name in it is allowed");
  }
  if (options.skip_client_address_check || address.empty() || !NamesAddressesAndNoHosts(certificate.get()) ||
      X509_check_ip_asc(certificate.get(), address.c_str(), 0) == 1) {
    return absl::OkStatus();
  }
  return absl::UnauthenticatedError("the certificate is not one for " + address);
}

}  // namespace regent::server
