#include "server/version.h"

#include "api/contract/limits.h"

namespace regent::server {

std::string VersionText(std::string_view program) {
  const std::string_view name = program.substr(program.rfind('/') + 1);
  const std::string regent(kRegentVersion);
  const std::string etcd(api::kServerVersion);
#if defined(__aarch64__)
  const std::string platform = "linux/arm64";
#else
  const std::string platform = "linux/amd64";
#endif
  if (name == "etcd") {
    return "etcd Version: " + etcd + "\nGit SHA: regent-" + regent +
           "\nGo Version: none (C++)\nGo OS/Arch: " + platform + "\n";
  }
  return "regent Version: " + regent + "\netcd Version: " + etcd + "\nOS/Arch: " + platform + "\n";
}

}  // namespace regent::server
