// The listener through real sockets: who gets which connection, and what happens to those that misbehave.
#include "server/rpc/listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "server/runtime/mutex.h"
#include "server/runtime/socket.h"
#include "tests/server/rpc_fake_backend.h"

namespace regent::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

OwnedFd Connect(const ListenAddress& address) {
  OwnedFd fd(socket(address.is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0));
  if (address.is_unix) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strcpy(to.sun_path, address.host.c_str());
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
  } else {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
  }
  return fd;
}

void Write(const OwnedFd& fd, std::string_view text) {
  EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

bool WaitReadable(const OwnedFd& fd, int milliseconds = 10'000) {
  pollfd waiting{fd.get(), POLLIN, 0};
  return poll(&waiting, 1, milliseconds) == 1;
}

// Everything until the server closes.
std::string ReadAll(const OwnedFd& fd) {
  std::string out;
  char buffer[4096];
  while (WaitReadable(fd)) {
    const ssize_t size = recv(fd.get(), buffer, sizeof buffer, 0);
    if (size <= 0) return out;
    out.append(buffer, static_cast<size_t>(size));
  }
  ADD_FAILURE() << "not closed";
  return out;
}

// Until `end` has been read.
std::string ReadUntil(const OwnedFd& fd, std::string_view end) {
  std::string out;
  char c = 0;
  while (out.size() < end.size() || out.substr(out.size() - end.size()) != end) {
    if (!WaitReadable(fd) || recv(fd.get(), &c, 1, 0) <= 0) {
      ADD_FAILURE() << "ended after " << out;
      return out;
    }
    out += c;
  }
  return out;
}

class ListenerTest : public ::testing::Test {
 protected:
  void Start(std::vector<ListenAddress> addresses) {
    options_.addresses = std::move(addresses);
    auto listener = Listener::Open(options_, endpoints_, [this](int fd) {
      const MutexLock lock(mutex_);
      handed_over_.emplace_back(fd);
      ready_.NotifyAll();
    });
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    listener_->Start();
  }
  void StartOne(ListenAddress::Serves serves = ListenAddress::Serves::kRpcAndHttp) {
    Start({{{.host = "127.0.0.1"}, serves}});
  }
  OwnedFd Dial(size_t index = 0) { return Connect(listener_->addresses()[index]); }

  OwnedFd AwaitHandedOver() {
    mutex_.Lock();
    while (handed_over_.empty()) ready_.Wait(mutex_);
    OwnedFd fd = std::move(handed_over_.back());
    handed_over_.pop_back();
    mutex_.Unlock();
    return fd;
  }

  HttpEndpoints::Options endpoint_options_{.versions = [] {
    return HttpEndpoints::Versions{"3.7.3", "3.7.0", "3.7.0"};
  }};
  FakeBackend backend_;
  Metrics metrics_;
  HttpEndpoints endpoints_{endpoint_options_, backend_, metrics_};
  Listener::Options options_;
  Mutex mutex_;
  Condition ready_;
  std::vector<OwnedFd> handed_over_;
  std::unique_ptr<Listener> listener_;
};

constexpr char kGet[] = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kGetAndClose[] = "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
constexpr char kVersion[] = R"({"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"})";

TEST_F(ListenerTest, PortZeroIsReplacedByTheRealPort) {
  Start({{{.host = "127.0.0.1"}}, {{.host = "localhost"}}, {{.host = ""}}});
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NE(listener_->addresses()[i].port, 0);
    const OwnedFd fd = Dial(i);
    Write(fd, kGetAndClose);
    EXPECT_THAT(ReadAll(fd), EndsWith(kVersion));
  }
}

TEST_F(ListenerTest, AnAddressInUseIsAnErrorThatNamesIt) {
  StartOne();
  Listener::Options second{.addresses = {listener_->addresses()[0]}};
  const auto opened = Listener::Open(second, endpoints_, [](int) {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().message(), "listen tcp 127.0.0.1:" + std::to_string(listener_->addresses()[0].port) +
                                           ": bind: address already in use");
}

TEST_F(ListenerTest, Http2GoesToTheRpcEngineWithNoByteTaken) {
  StartOne();
  const OwnedFd client = Dial();
  constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  Write(client, "P");  // one byte says nothing yet: it could be POST
  Write(client, kPreface + 1);
  const OwnedFd server = AwaitHandedOver();
  Write(client, "frames");
  const timeval timeout{5, 0};
  setsockopt(server.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  std::string got(strlen(kPreface) + 6, '\0');
  pollfd readable{server.get(), POLLIN, 0};
  size_t size = 0;
  while (size < got.size() && poll(&readable, 1, 5000) == 1) {
    size += static_cast<size_t>(std::max<ssize_t>(0, recv(server.get(), got.data() + size, got.size() - size, 0)));
  }
  EXPECT_EQ(got, std::string(kPreface) + "frames");
}

TEST_F(ListenerTest, APostIsNotTakenForHttp2) {
  StartOne();
  const OwnedFd fd = Dial();
  Write(fd, "P");
  Write(fd, "OST /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(ReadAll(fd), StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
}

TEST_F(ListenerTest, RequestsFollowEachOtherOnOneConnectionEvenWhenSentTogether) {
  StartOne();
  const OwnedFd fd = Dial();
  Write(fd, kGet);
  EXPECT_THAT(ReadUntil(fd, kVersion), HasSubstr("Content-Length: 62\r\n"));
  Write(fd, std::string(kGet) + kGet + kGetAndClose);
  const std::string three = ReadAll(fd);
  size_t count = 0;
  for (size_t at = three.find(kVersion); at != std::string::npos; at = three.find(kVersion, at + 1)) ++count;
  EXPECT_EQ(count, 3u);
}

TEST_F(ListenerTest, EachKindOfAddressServesItsOwn) {
  using Serves = ListenAddress::Serves;
  Start({{{.host = "127.0.0.1"}, Serves::kRpcOnly},
         {{.host = "127.0.0.1"}, Serves::kHttpOnly},
         {{.host = "127.0.0.1"}, Serves::kMetrics}});
  const OwnedFd rpc = Dial(0);
  Write(rpc, kGet);
  EXPECT_EQ(ReadAll(rpc), "");
  const OwnedFd http = Dial(1);
  Write(http, kGetAndClose);
  EXPECT_THAT(ReadAll(http), EndsWith(kVersion));
  const OwnedFd http2 = Dial(1);
  Write(http2, "PRI * HTTP/2.0\r\n\r\n");
  EXPECT_EQ(ReadAll(http2), "");
  const OwnedFd metrics = Dial(2);
  Write(metrics, kGetAndClose);
  EXPECT_THAT(ReadAll(metrics), StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

TEST_F(ListenerTest, AUnixSocketServesReplacesAStaleOneAndIsRemoved) {
  const std::string path = ::testing::TempDir() + "/listener_test_" + std::to_string(getpid());
  SocketAddress stale{.is_unix = true, .host = path};
  ASSERT_TRUE(OpenListenSocket(stale).ok());  // bound, closed, still there
  ASSERT_EQ(access(path.c_str(), F_OK), 0);
  Start({{{.is_unix = true, .host = path}}});
  const OwnedFd fd = Dial();
  Write(fd, kGetAndClose);
  EXPECT_THAT(ReadAll(fd), EndsWith(kVersion));
  listener_->Stop();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, GarbageIsAnsweredAndClosed) {
  StartOne();
  const OwnedFd tls = Dial();
  Write(tls, std::string_view("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_THAT(ReadAll(tls), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  const OwnedFd endless = Dial();
  Write(endless, "GET /" + std::string(40'000, 'a'));
  EXPECT_THAT(ReadAll(endless), StartsWith("HTTP/1.1 431 "));
}

TEST_F(ListenerTest, ConnectionsThatSayNothingOrTooLittleAreDroppedInTime) {
  options_.first_bytes_timeout = std::chrono::seconds(1);
  options_.http_request_timeout = std::chrono::seconds(1);
  options_.http_idle_timeout = std::chrono::seconds(1);
  StartOne();
  const OwnedFd silent = Dial(), one_byte = Dial(), slow = Dial(), idle = Dial();
  Write(one_byte, "P");
  Write(slow, "GET / HTTP/1.1\r\nX: ");
  Write(idle, kGet);
  (void)ReadUntil(idle, kVersion);
  std::atomic<bool> stop{false};
  std::thread dripping([&] {  // a byte now and then earns no more time
    while (!stop.load() && send(slow.get(), "y", 1, MSG_NOSIGNAL) == 1) poll(nullptr, 0, 100);
  });
  EXPECT_EQ(ReadAll(silent), "");
  EXPECT_EQ(ReadAll(one_byte), "");
  EXPECT_EQ(ReadAll(slow), "");
  EXPECT_EQ(ReadAll(idle), "");
  stop.store(true);
  dripping.join();
}

TEST_F(ListenerTest, TooManySilentConnectionsPushOutTheOldest) {
  options_.undecided_connections_max = 3;
  StartOne();
  std::vector<OwnedFd> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(Dial());
  EXPECT_EQ(ReadAll(silent[0]), "");
  EXPECT_EQ(ReadAll(silent[1]), "");
  Write(silent[4], kGetAndClose);
  EXPECT_THAT(ReadAll(silent[4]), EndsWith(kVersion));
  EXPECT_FALSE(WaitReadable(silent[3], 0));
}

TEST_F(ListenerTest, HttpConnectionsAreBounded) {
  options_.http_connections_max = 2;
  StartOne();
  const OwnedFd first = Dial(), second = Dial(), third = Dial();
  for (const OwnedFd* fd : {&first, &second}) {
    Write(*fd, kGet);
    (void)ReadUntil(*fd, kVersion);
  }
  Write(third, kGet);
  EXPECT_EQ(ReadAll(third), "");
}

TEST_F(ListenerTest, AcceptingSurvivesTheLimitOfFileDescriptors) {
  StartOne();
  const OwnedFd waiting(socket(AF_INET, SOCK_STREAM, 0));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none_left{static_cast<rlim_t>(waiting.get()) + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none_left), 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(listener_->addresses()[0].port);
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  EXPECT_EQ(connect(waiting.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  Write(waiting, kGetAndClose);
  EXPECT_FALSE(WaitReadable(waiting, 300)) << "there was a descriptor left";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(ReadAll(waiting), EndsWith(kVersion));
}

TEST_F(ListenerTest, AnAnswerThatComesAfterTheEndIsDropped) {
  backend_.hold_ranges = true;
  StartOne();
  const OwnedFd fd = Dial();
  Write(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  const OwnedFd other = Dial();
  Write(other, kGetAndClose);
  EXPECT_THAT(ReadAll(other), EndsWith(kVersion)) << "the waiting check blocks nobody";
  listener_->Stop();
  ASSERT_EQ(backend_.held.size(), 1u);
  listener_.reset();
  backend_.held[0](api::RangeResult());
}

}  // namespace
}  // namespace regent::server
