// The same under TLS: who may talk to whom, and certificates that change while everything runs.
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/peer/transport_fixture.h"

namespace regent::testing {
namespace {

using server::TlsOptions;
using ::testing::HasSubstr;

void Shell(const std::string& command) { ASSERT_EQ(std::system((command + " 2>/dev/null").c_str()), 0) << command; }

class TransportTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as main does
    folder_ = ::testing::TempDir() + "/transport_tls_" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
    MakeAuthority("ca");
    MakeCertificate("node", "ca", "node", "IP:127.0.0.1,DNS:node.example");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void MakeAuthority(const std::string& name) {
    Shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name +
          " -keyout " + Path(name, "key") + " -out " + Path(name, "crt"));
  }
  void MakeCertificate(const std::string& name, const std::string& authority, const std::string& common_name,
                       const std::string& names) {
    Shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + common_name + " -keyout " +
          Path(name, "key") + " -out " + Path(name, "csr"));
    Shell("printf 'subjectAltName=" + names + "' > " + Path(name, "ext"));
    Shell("openssl x509 -req -days 2 -in " + Path(name, "csr") + " -CA " + Path(authority, "crt") + " -CAkey " +
          Path(authority, "key") + " -CAcreateserial -extfile " + Path(name, "ext") + " -out " + Path(name, "crt"));
  }
  std::string Path(const std::string& name, const std::string& kind) const { return folder_ + "/" + name + "." + kind; }

  TlsOptions Tls(const std::string& name = "node", const std::string& authority = "ca") const {
    return {.certificate_file = Path(name, "crt"),
            .key_file = Path(name, "key"),
            .trusted_ca_file = Path(authority, "crt"),
            .require_client_certificate = true};
  }
  static std::function<void(server::TransportOptions&)> With(TlsOptions tls) {
    return [tls](server::TransportOptions& options) {
      options.tls = tls;
      options.listen[0].secure = true;
    };
  }
  static void LetDial(Member& a, Member& b) {
    a.Start();
    b.Start();
    b.transport().SetPeers({{a.id(), {a.url()}}});
  }
  // `b` dials `a` and comes through.
  static bool Reaches(Member& a, Member& b) {
    LetDial(a, b);
    return Await([&] { return b.Connected(a); });
  }
  // It does, in a while in which it has many chances.
  static bool ReachesSoon(Member& a, Member& b) {
    LetDial(a, b);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
    while (std::chrono::steady_clock::now() < end) {
      if (b.Connected(a)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  std::string folder_;
};

TEST_F(TransportTlsTest, MessagesOfAnySizeArriveUnderTls) {
  Member a(1, With(Tls())), b(2, With(Tls()));
  ASSERT_TRUE(Reaches(a, b));
  raft::AppendRequest append{.prev_index = {5}, .prev_term = {1}, .commit = {5}};
  append.entries.push_back({.index = {6}, .term = {1}, .data = std::string(20 << 20, 'x')});
  const raft::Message message{.from = b.id(), .to = a.id(), .term = {1}, .body = append};
  for (uint64_t i = 0; i < 100; ++i) b.Say(a.id(), i);
  b.transport().Send({message});
  ASSERT_TRUE(Await([&] { return a.heard().size() == 101; }));
  EXPECT_EQ(a.heard().back(), message);
  b.Stop();
  EXPECT_TRUE(Await([&] { return a.gone().size() == 1; }));
}

TEST_F(TransportTlsTest, ACallerOfAnotherAuthorityOrWithoutTlsIsCutOff) {
  MakeAuthority("other");
  MakeCertificate("stranger", "other", "node", "IP:127.0.0.1");
  TlsOptions stranger = Tls("stranger");
  {
    Member a(1, With(Tls())), b(2, With(stranger));
    EXPECT_FALSE(ReachesSoon(a, b));
  }
  Member a(1, With(Tls())), b(2);
  a.Start();
  b.Start();
  server::PeerUrl plain = a.url();
  plain.secure = false;
  b.transport().SetPeers({{a.id(), {plain}}});
  b.Say(a.id(), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(b.Connected(a));
  EXPECT_TRUE(a.heard().empty());
}

TEST_F(TransportTlsTest, TheNameOfWhoIsDialledMustBeInItsCertificate) {
  MakeCertificate("elsewhere", "ca", "node", "IP:192.0.2.1,DNS:elsewhere.example");
  Member a(1, With(Tls("elsewhere"))), b(2, With(Tls()));
  EXPECT_FALSE(ReachesSoon(a, b));
}

TEST_F(TransportTlsTest, OnlyAllowedNamesMayCall) {
  MakeCertificate("wrong", "ca", "wrong", "IP:127.0.0.1,DNS:wrong.example");
  TlsOptions picky = Tls();
  picky.allowed_common_names = {"node"};
  {
    Member a(1, With(picky)), b(2, With(Tls("wrong")));
    EXPECT_FALSE(ReachesSoon(a, b));
  }
  {
    Member a(1, With(picky)), b(2, With(Tls()));
    EXPECT_TRUE(Reaches(a, b));
  }
  picky.allowed_common_names = {};
  picky.allowed_host_names = {"node.example"};
  {
    Member a(1, With(picky)), b(2, With(Tls("wrong")));
    EXPECT_FALSE(ReachesSoon(a, b));
  }
  Member a(1, With(picky)), b(2, With(Tls()));
  EXPECT_TRUE(Reaches(a, b));
}

TEST_F(TransportTlsTest, ACertificateForAnotherAddressMayNotCallUnlessToldOtherwise) {
  MakeCertificate("away", "ca", "node", "IP:192.0.2.1");
  TlsOptions lenient = Tls();
  lenient.skip_client_address_check = true;
  {
    Member a(1, With(Tls())), b(2, With(Tls("away")));
    EXPECT_FALSE(ReachesSoon(a, b));
  }
  Member a(1, With(lenient)), b(2, With(Tls("away")));
  EXPECT_TRUE(Reaches(a, b));
}

TEST_F(TransportTlsTest, ARenewedCertificateCountsFromTheNextConnectionOn) {
  Member a(1, With(Tls()));
  a.Start();
  MakeAuthority("new-ca");
  MakeCertificate("renewed", "new-ca", "node", "IP:127.0.0.1");
  Member b(2, With(Tls("renewed", "new-ca")));
  b.Start();
  b.transport().SetPeers({{a.id(), {a.url()}}});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(b.Connected(a));
  for (const std::string kind : {"crt", "key"}) {
    std::filesystem::copy_file(Path("renewed", kind), Path("node", kind),
                               std::filesystem::copy_options::overwrite_existing);
  }
  std::filesystem::copy_file(Path("new-ca", "crt"), Path("ca", "crt"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Await([&] { return b.Connected(a); }));
}

TEST_F(TransportTlsTest, FilesThatCannotBeUsedAreNamedAtTheStart) {
  server::Metrics metrics;
  TlsOptions tls = Tls();
  tls.key_file = Path("ca", "key");
  const auto wrong_key = server::TcpTransport::Open({.self = {1}, .tls = tls}, metrics);
  EXPECT_THAT(std::string(wrong_key.status().message()),
              HasSubstr("ca.key cannot be used: error:05800074:x509 certificate routines::key values mismatch"));
  tls.key_file = "/no/such/key";
  const auto no_key = server::TcpTransport::Open({.self = {1}, .tls = tls}, metrics);
  EXPECT_THAT(std::string(no_key.status().message()), HasSubstr("/no/such/key"));
  const auto no_tls = server::TcpTransport::Open(
      {.self = {1}, .listen = {{.secure = true, .address = {.host = "127.0.0.1"}}}}, metrics);
  EXPECT_THAT(std::string(no_tls.status().message()), HasSubstr("wants TLS"));
}

}  // namespace
}  // namespace regent::testing
