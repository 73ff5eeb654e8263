// clock_leases ENDPOINT SHIFT_FILE
//
// Leases on a server whose wall clock jumps (shifted_clock.cc): a year ahead, a year back, and between. A long lease
// and one that is renewed every half second stay; one that nobody renews ends in its time, neither with the jump nor
// never. Prints what it found; the exit code is 1 for a broken promise, 2 for anything else.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "api/contract/wire.h"
#include "tests/crash/rpc_client.h"

namespace regent::regress {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr int64_t kYear = 365 * 24 * 3600;
constexpr int64_t kShortTtl = 4, kRenewedTtl = 6, kLongTtl = 10'000;

class Leases {
 public:
  Leases(const std::string& endpoint, std::string shift_file)
      : client_(endpoint, 1), shift_file_(std::move(shift_file)) {}

  int Run() {
    const int64_t long_one = Grant(kLongTtl), renewed = Grant(kRenewedTtl);
    for (const int64_t shift : {kYear, -kYear, int64_t{600}, int64_t{0}}) {
      const Clock::time_point granted = Clock::now();
      const int64_t left_alone = Grant(kShortTtl);
      Jump(shift);
      // Until it ends; the renewals go on meanwhile. The limit is for a machine that does many other things.
      Clock::time_point alive = granted;
      while (TimeToLive(left_alone) >= 0) {
        if (Clock::now() - granted > seconds(120))
          return Broken("a lease never ended after a jump of the clock", shift);
        alive = Clock::now();
        Renew(renewed, shift);
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
      }
      if (Clock::now() - granted < seconds(kShortTtl)) {
        return Broken("a lease ended with a jump of the clock: the one nobody renews", shift);
      }
      if (TimeToLive(renewed) < 0) return Broken("a lease ended with a jump of the clock: the renewed one", shift);
      if (TimeToLive(long_one) < 0) return Broken("a lease ended with a jump of the clock: the long one", shift);
      if (broken_) return 1;
      std::printf("clock %+lld s: the lease that nobody renewed was alive for %.1f s, the others are\n",
                  static_cast<long long>(shift), std::chrono::duration<double>(alive - granted).count());
    }
    std::printf("clock jumps: 4 passed, 0 failed\n");
    return 0;
  }

 private:
  int Broken(const char* what, int64_t shift) {
    std::printf("%s (wall clock off by %lld s)\n", what, static_cast<long long>(shift));
    broken_ = true;
    return 1;
  }

  void Jump(int64_t shift) {
    const int file = open(shift_file_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0 || pwrite(file, &shift, sizeof shift, 0) != sizeof shift) std::exit(2);
    close(file);
  }

  // The number in field `field` of the answer.
  int64_t Call(const char* method, const std::string& request, uint32_t field) {
    absl::StatusOr<std::string> response = client_.Call(method, request, seconds(30));
    // On a busy machine the connection may take its time.
    for (int tries = 0; absl::IsUnavailable(response.status()) && tries < 300; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      response = client_.Call(method, request, seconds(30));
    }
    if (!response.ok()) {
      std::printf("%s: %s\n", method, response.status().ToString().c_str());
      std::exit(2);
    }
    api::WireReader reader(*response);
    while (const auto part = reader.Next()) {
      if (part->tag == api::VarintTag(field)) return part->int64();
    }
    return 0;
  }

  int64_t Grant(int64_t ttl) {
    std::string request;
    api::AppendInt64(request, 1, ttl);
    return Call("/etcdserverpb.Lease/LeaseGrant", request, 2);
  }
  // Below 0: it is gone.
  int64_t TimeToLive(int64_t id) {
    std::string request;
    api::AppendInt64(request, 1, id);
    return Call("/etcdserverpb.Lease/LeaseTimeToLive", request, 3);
  }
  // A keep-alive stream of one message is, on the wire, a unary call.
  void Renew(int64_t id, int64_t shift) {
    std::string request;
    api::AppendInt64(request, 1, id);
    if (Call("/etcdserverpb.Lease/LeaseKeepAlive", request, 3) <= 0) {
      Broken("a lease ended with a jump of the clock: the renewed one", shift);
    }
  }

  crash::RpcClient client_;
  const std::string shift_file_;
  bool broken_ = false;
};

}  // namespace
}  // namespace regent::regress

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return regent::regress::Leases(argv[1], argv[2]).Run();
}
