// Waits for a server to come up: asks for one key, linearizably, every millisecond until that is answered, and prints
// when it was, in seconds of the monotonic clock.
//
//   bench_probe --endpoint HOST:PORT --key KEY --patience 600
#include <time.h>

#include <cstdio>
#include <string>
#include <thread>

#include "tests/bench/connections.h"
#include "tests/bench/flags.h"
#include "tests/bench/requests.h"

namespace regent::bench {
namespace {

constexpr nanoseconds kRetry = std::chrono::milliseconds(1);

double MonotonicSeconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// What came to one question: nothing yet, the key, or an answer without it.
enum class Answer { kNone, kFound, kMissing };

Answer Ask(const std::string& endpoint, const std::string& key, Clock::time_point give_up) {
  if (!H2Connection::Accepts(endpoint)) return Answer::kNone;
  Connections connections(endpoint, 1);
  bool ended = false;
  Answer answer = Answer::kNone;
  connections.at(0).Call(kRangePath, EncodeRange({.key = key}), [&](const Reply& reply) {
    ended = true;
    if (reply.grpc_status != 0) return;
    answer = FieldOf(reply.message, api::VarintTag(4)).int64() == 1 ? Answer::kFound : Answer::kMissing;
  });
  connections.Flush();
  while (!ended && connections.now() < give_up) connections.Wait(Seconds(0.1));
  return answer;
}

int Main(int argc, char** argv) {
  Flags flags(argc, argv);
  const std::string endpoint = flags.Text("--endpoint", "127.0.0.1:2379");
  const std::string key = flags.Text("--key", "");
  const Clock::time_point give_up = Clock::now() + Seconds(flags.Real("--patience", 600));
  flags.RefuseUnread();
  Answer answer = Answer::kNone;
  while (answer == Answer::kNone && Clock::now() < give_up) {
    answer = Ask(endpoint, key, give_up);
    if (answer == Answer::kNone) std::this_thread::sleep_for(kRetry);
  }
  std::printf("{\"answered_at\": %.6f, \"errors\": %d%s}\n", MonotonicSeconds(), answer == Answer::kFound ? 0 : 1,
              answer == Answer::kMissing ? ", \"first_error\": \"the key is not there\"" : "");
  return answer == Answer::kFound ? 0 : 1;
}

}  // namespace
}  // namespace regent::bench

int main(int argc, char** argv) { return regent::bench::Main(argc, argv); }
