// crash_client write|sequence|verify|ready --endpoint HOST:PORT [--record FILE] [--prefix P] [--writers N]
// [--connections N]
//              [--seconds N] [--values N] [--after-revision N]
#include "tests/crash/crash_client.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>
#include <thread>

#include "api/contract/wire.h"
#include "tests/crash/rpc_client.h"

namespace regent::crash {

int64_t HeaderRevision(const std::string& response) {
  api::WireReader fields(response);
  while (const auto field = fields.Next()) {
    if (field->tag != api::BytesTag(1)) continue;
    api::WireReader header(field->bytes);
    while (const auto number = header.Next()) {
      if (number->tag == api::VarintTag(3)) return number->int64();
    }
  }
  return 0;
}

int Ready(const Options& options) {
  std::string request;
  api::AppendBytes(request, 1, "ready");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    RpcClient client(options.endpoint, 1);
    const auto response = client.Call(kRange, request, std::chrono::seconds(2));
    if (response.ok()) {
      std::printf("%lld\n", static_cast<long long>(HeaderRevision(*response)));
      return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::fprintf(stderr, "not ready after %d s\n", options.seconds);
  return 1;
}

namespace {

bool Parse(int argc, char** argv, Options* options) {
  const std::map<std::string_view, std::string*> texts = {
      {"--endpoint", &options->endpoint}, {"--record", &options->record}, {"--prefix", &options->prefix}};
  const std::map<std::string_view, int*> numbers = {
      {"--writers", &options->writers}, {"--connections", &options->connections}, {"--seconds", &options->seconds}};
  const std::map<std::string_view, int64_t*> revisions = {{"--values", &options->values},
                                                          {"--after-revision", &options->after_revision}};
  for (int i = 2; i + 1 < argc; i += 2) {
    if (const auto text = texts.find(argv[i]); text != texts.end()) {
      *text->second = argv[i + 1];
    } else if (const auto number = numbers.find(argv[i]); number != numbers.end()) {
      *number->second = std::atoi(argv[i + 1]);
    } else if (const auto revision = revisions.find(argv[i]); revision != revisions.end()) {
      *revision->second = std::atoll(argv[i + 1]);
    } else {
      return false;
    }
  }
  return argc >= 2 && argc % 2 == 0 && !options->endpoint.empty();
}

int Main(int argc, char** argv) {
  Options options;
  const std::map<std::string_view, int (*)(const Options&)> verbs = {
      {"write", Write}, {"sequence", Sequence}, {"verify", Verify}, {"ready", Ready}};
  if (!Parse(argc, argv, &options) || !verbs.contains(argv[1])) {
    std::fprintf(stderr,
                 "usage: crash_client write|sequence|verify|ready --endpoint HOST:PORT [--record FILE] [--prefix P] "
                 "[--writers N]\n");
    return 2;
  }
  return verbs.at(argv[1])(options);
}

}  // namespace
}  // namespace regent::crash

int main(int argc, char** argv) { return regent::crash::Main(argc, argv); }
