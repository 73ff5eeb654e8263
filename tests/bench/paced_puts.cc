#include "tests/bench/paced_puts.h"

#include "tests/bench/requests.h"
#include "tests/bench/workload.h"

namespace regent::bench {
namespace {

constexpr uint64_t kKeys = 10'000;
constexpr size_t kValueBytes = 256;
constexpr nanoseconds kLongest = std::chrono::seconds(15);  // what a failed one counts as

}  // namespace

void PacedPuts::SendDue(H2Connection& connection, Clock::time_point now) {
  for (; next_due_ <= now; next_due_ += interval_) {
    const std::string key = "/registry/paced/" + std::to_string(random_() % kKeys);
    ++outstanding_;
    connection.Call(kPutPath, EncodePut(key, RealisticValue(random_, kValueBytes)),
                    [this, due = next_due_](const Reply& reply) {
                      --outstanding_;
                      if (reply.grpc_status != 0) ++failed_;
                      if (due < measure_from_) return;
                      latencies_.Record(reply.grpc_status == 0 ? nanoseconds(Clock::now() - due) : kLongest);
                    });
  }
}

}  // namespace regent::bench
