#include "server/runtime/init_daemon.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace regent::server {
namespace {

// A service manager's side: a datagram socket under a name as NOTIFY_SOCKET has it.
class Manager {
 public:
  explicit Manager(const std::string& name) : name_(name), fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    unlink(name.c_str());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0) << std::strerror(errno);
  }
  ~Manager() {
    close(fd_);
    if (name_[0] == '/') unlink(name_.c_str());
  }

  std::string Receive() const {
    std::string text(256, '\0');
    text.resize(static_cast<size_t>(recv(fd_, text.data(), text.size(), 0)));
    return text;
  }

 private:
  const std::string name_;
  const int fd_;
};

TEST(InitDaemonTest, IsToldOnASocketInTheFileSystemAndInTheAbstractSpace) {
  for (const std::string& name :
       {testing::TempDir() + "notify_test.sock", "@regent-notify-test-" + std::to_string(getpid())}) {
    const Manager manager(name);
    ASSERT_TRUE(NotifyInitDaemon(name, "READY=1").ok()) << name;
    EXPECT_EQ(manager.Receive(), "READY=1");
  }
}

TEST(InitDaemonTest, ASocketThatIsNotThereIsAnError) {
  EXPECT_FALSE(NotifyInitDaemon("/no/such/socket", "READY=1").ok());
  EXPECT_FALSE(NotifyInitDaemon("relative", "READY=1").ok());
  EXPECT_FALSE(NotifyInitDaemon("", "READY=1").ok());
  EXPECT_FALSE(NotifyInitDaemon("/" + std::string(200, 'x'), "READY=1").ok());
}

}  // namespace
}  // namespace regent::server
