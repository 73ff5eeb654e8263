// Certificates that members make for themselves: made once, whole or not at all, good enough for each other.
#include "server/peer/self_certificate.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/peer/transport_fixture.h"

namespace regent::testing {
namespace {

using server::EnsureSelfCertificate;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class SelfCertificateTest : public ::testing::Test {
 protected:
  SelfCertificateTest() : folder_(::testing::TempDir() + "/self_certificate_" + std::to_string(getpid())) {}
  ~SelfCertificateTest() override { std::filesystem::remove_all(folder_); }
  std::string Made(const std::string& name) const { return folder_ + "/" + name + "/fixtures/peer"; }
  server::TlsOptions Tls(const std::string& name) const {
    EXPECT_TRUE(EnsureSelfCertificate(Made(name), {"127.0.0.1"}, 1).ok());
    return {.certificate_file = server::SelfCertificatePath(Made(name)),
            .key_file = server::SelfKeyPath(Made(name)),
            .skip_verification = true};
  }

  const std::string folder_;
};

TEST_F(SelfCertificateTest, NamesHostsHasYearsAndIsMadeOnce) {
  const std::string certificate = server::SelfCertificatePath(Made("a")), key = server::SelfKeyPath(Made("a"));
  ASSERT_TRUE(EnsureSelfCertificate(Made("a"), {"127.0.0.1", "::1", "localhost", "", "a,b"}, 3).ok());
  const std::string text_path = folder_ + "/text";
  ASSERT_EQ(std::system(("openssl x509 -noout -text -in " + certificate + " >" + text_path).c_str()), 0);
  const std::string text = ReadAll(text_path);
  EXPECT_THAT(text, ::testing::HasSubstr("IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("P-521"));
  EXPECT_THAT(text, ::testing::HasSubstr("CA:TRUE"));
  const std::string at_end = "openssl x509 -noout -in " + certificate + " -checkend ";
  EXPECT_EQ(std::system((at_end + std::to_string((3 * 365 - 1) * 86400) + " >/dev/null").c_str()), 0);
  EXPECT_NE(std::system((at_end + std::to_string((3 * 365 + 1) * 86400) + " >/dev/null").c_str()), 0);
  struct stat about {};
  ASSERT_EQ(stat(key.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);

  const std::string first = ReadAll(certificate) + ReadAll(key);
  ASSERT_TRUE(EnsureSelfCertificate(Made("a"), {"127.0.0.1"}, 1).ok());
  EXPECT_EQ(ReadAll(certificate) + ReadAll(key), first);
}

TEST_F(SelfCertificateTest, HalfOfOneIsMadeAnew) {
  for (const std::string& gone : {server::SelfCertificatePath(Made("a")), server::SelfKeyPath(Made("a"))}) {
    EXPECT_TRUE(server::CheckTls(Tls("a")).ok());
    ASSERT_EQ(unlink(gone.c_str()), 0);
    std::ofstream(gone + ".new") << "left over";
    EXPECT_TRUE(server::CheckTls(Tls("a")).ok());
  }
  std::ofstream(folder_ + "/file") << "x";
  const absl::Status no_folder = EnsureSelfCertificate(folder_ + "/file/fixtures", {}, 1);
  EXPECT_THAT(std::string(no_folder.message()), ::testing::HasSubstr(folder_ + "/file/fixtures"));
}

TEST_F(SelfCertificateTest, MembersWithTheirOwnCertificatesReachEachOther) {
  const auto with = [](server::TlsOptions tls) {
    return [tls](server::TransportOptions& options) {
      options.tls = tls;
      options.listen[0].secure = true;
    };
  };
  Member a(1, with(Tls("a"))), b(2, with(Tls("b")));
  a.Start();
  b.Start();
  a.transport().SetPeers({{b.id(), {b.url()}}});
  b.transport().SetPeers({{a.id(), {a.url()}}});
  ASSERT_TRUE(Await([&] { return a.Connected(b) && b.Connected(a); }));
  b.Say(a.id(), 1);
  EXPECT_TRUE(Await([&] { return a.heard().size() == 1; }));
}

}  // namespace
}  // namespace regent::testing
