// An engine behind a listener that answers every KV call with an empty header: what an RPC alone costs. Drive it with
// bench_loader (put, range); it prints its address and runs until its input ends.
//
//   rpc_echo_server [threads [inline|posted [h2|grpc]]]      posted: answers come from another thread, as from an apply
//   loop
#include <glog/logging.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "server/rpc/grpc_engine.h"
#include "server/rpc/h2_engine.h"
#include "server/rpc/listener.h"
#include "server/runtime/thread_loop.h"
#include "tests/server/rpc_fake_backend.h"

int main(int argc, char** argv) {
  using namespace regent;
  using namespace regent::server;
  FLAGS_logtostderr = true;
  const bool posted = argc > 2 && std::strcmp(argv[2], "posted") == 0;
  ThreadLoop loop({.name = "answers"});
  const auto reply = std::make_shared<const std::string>("\x0a\x02\x18\x01", 4);  // header {revision: 1}
  const auto answer = [&](std::shared_ptr<api::Call> call, std::string_view) {
    const auto finish = [reply](const std::shared_ptr<api::Call>& to) {
      to->Send({reply});
      to->Finish(absl::OkStatus());
    };
    if (!posted) return finish(call);
    loop.Post([finish, call = std::move(call)] { finish(call); });
  };
  RpcEngine::Options options;
  options.threads = argc > 1 ? std::atoi(argv[1]) : 1;
  for (const char* path : {"/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"}) {
    options.methods.push_back({path, api::Method::Kind::kUnary, answer, nullptr});
  }
  Metrics metrics;
  FakeBackend backend;
  HttpEndpoints endpoints({.versions = [] { return HttpEndpoints::Versions{}; }}, backend, metrics);
  const bool grpc = argc > 3 && std::strcmp(argv[3], "grpc") == 0;
  std::unique_ptr<RpcEngine> engine =
      grpc ? StartGrpcEngine(std::move(options), metrics).value() : StartH2Engine(std::move(options), metrics);
  auto listener = Listener::Open({.addresses = {{{.host = "127.0.0.1"}}}}, endpoints,
                                 [&engine](int fd) { engine->AddConnection(fd); });
  CHECK(listener.ok()) << listener.status();
  (*listener)->Start();
  std::printf("127.0.0.1:%d\n", (*listener)->addresses()[0].port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  (*listener)->Stop();
  engine->Shutdown(std::chrono::seconds(1));
  return 0;
}
