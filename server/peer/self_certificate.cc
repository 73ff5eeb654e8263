#include "server/peer/self_certificate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "api/contract/status_macros.h"
#include "server/runtime/json_log.h"
#include "server/runtime/socket.h"
#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

absl::Status Failed(const std::string& what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  ERR_clear_error();
  return absl::InternalError("a certificate for this member cannot be made: " + what + ": " + text.data());
}

absl::Status FileError(const std::string& what, const std::string& path) {
  return absl::InternalError("a certificate for this member cannot be kept: " + what + " " + path + ": " +
                             SystemError(errno));
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

bool IsIp(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

bool AddExtension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// A host that would not be read as one name is left out: nobody compares them.
std::string AlternativeNames(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts) {
    if (host.empty() || host.find_first_of(",:/ ") != std::string::npos) {
      if (!IsIp(host)) continue;
    }
    names += (names.empty() ? "" : ",") + std::string(IsIp(host) ? "IP:" : "DNS:") + host;
  }
  return names;
}

bool SetSerial(X509* certificate) {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] &= 0x7f;
  BIGNUM* const number = BN_bin2bn(bytes.data(), bytes.size(), nullptr);
  const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

absl::StatusOr<Certificate> Sign(EVP_PKEY* key, const std::vector<std::string>& hosts, uint64_t years) {
  Certificate certificate(X509_new());
  if (certificate == nullptr) return Failed("memory");
  X509* const made = certificate.get();
  X509_NAME* const name = X509_get_subject_name(made);
  const auto* organization = reinterpret_cast<const unsigned char*>("etcd");
  const std::string names = AlternativeNames(hosts);
  const bool ok = X509_set_version(made, X509_VERSION_3) == 1 && SetSerial(made) &&
                  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, organization, -1, -1, 0) == 1 &&
                  X509_set_issuer_name(made, name) == 1 && X509_gmtime_adj(X509_getm_notBefore(made), 0) != nullptr &&
                  X509_time_adj_ex(X509_getm_notAfter(made), static_cast<int>(years * 365), 0, nullptr) != nullptr &&
                  X509_set_pubkey(made, key) == 1 && AddExtension(made, NID_basic_constraints, "critical,CA:TRUE") &&
                  AddExtension(made, NID_key_usage, "critical,digitalSignature,keyEncipherment,cRLSign") &&
                  AddExtension(made, NID_ext_key_usage, "serverAuth,clientAuth") &&
                  (names.empty() || AddExtension(made, NID_subject_alt_name, names)) &&
                  X509_sign(made, key, EVP_sha512()) != 0;
  if (!ok) return Failed("its fields");
  return certificate;
}

std::string_view Content(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);  // NOLINT: OpenSSL's type
  return {data, static_cast<size_t>(size)};
}

absl::Status SyncFolder(const std::string& folder) {
  const OwnedFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) return FileError("sync", folder);
  return absl::OkStatus();
}

// Whole under its name, or not at all.
absl::Status Write(const std::string& folder, const std::string& path, std::string_view content, mode_t mode) {
  const std::string beside = path + ".new";
  if (unlink(beside.c_str()) != 0 && errno != ENOENT) return FileError("remove", beside);
  const OwnedFd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (fd.get() < 0) return FileError("create", beside);
  const ssize_t written = write(fd.get(), content.data(), content.size());
  if (written != static_cast<ssize_t>(content.size()) || fsync(fd.get()) != 0) return FileError("write", beside);
  if (rename(beside.c_str(), path.c_str()) != 0) return FileError("rename", beside);
  return SyncFolder(folder);
}

}  // namespace

absl::Status EnsureSelfCertificate(const std::string& folder, const std::vector<std::string>& hosts, uint64_t years) {
  const std::string certificate_path = SelfCertificatePath(folder), key_path = SelfKeyPath(folder);
  if (Exists(certificate_path) && Exists(key_path)) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::InternalError("the folder " + folder + " cannot be made: " + error.message());
  if (chmod(folder.c_str(), 0700) != 0) return FileError("chmod", folder);
  if (unlink(certificate_path.c_str()) != 0 && errno != ENOENT) return FileError("remove", certificate_path);
  REGENT_RETURN_IF_ERROR(SyncFolder(folder));
  ERR_clear_error();
  const Key key(EVP_EC_gen("P-521"));
  if (key == nullptr) return Failed("its key");
  REGENT_ASSIGN_OR_RETURN(const Certificate certificate, Sign(key.get(), hosts, years));
  const Memory key_pem(BIO_new(BIO_s_mem())), certificate_pem(BIO_new(BIO_s_mem()));
  if (key_pem == nullptr || certificate_pem == nullptr ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      PEM_write_bio_X509(certificate_pem.get(), certificate.get()) != 1) {
    return Failed("its text");
  }
  REGENT_RETURN_IF_ERROR(Write(folder, key_path, Content(key_pem.get()), 0600));
  REGENT_RETURN_IF_ERROR(Write(folder, certificate_path, Content(certificate_pem.get()), 0600));
  LOG(WARNING) << "automatically generate certificates: members encrypt, and authenticate nobody"
               << Field("certificate", certificate_path) << Field("years", years);
  return absl::OkStatus();
}

}  // namespace regent::server
