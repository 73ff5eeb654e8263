#include "tests/crash/rpc_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <utility>

namespace regent::crash {
namespace {

struct PendingCall {
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  grpc::Status status;
  RpcClient::Done done;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
};

std::string Joined(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

struct RpcClient::Core {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  size_t next_stub = 0;
  size_t under_way = 0;
};

RpcClient::RpcClient(const std::string& endpoint, int connections) : core_(std::make_unique<Core>()) {
  for (int i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt("grpc.connection", i);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    // This one is the time that a connection may take to come about: long, or a loaded machine looks like a lost write.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
    arguments.SetMaxReceiveMessageSize(-1);
    core_->stubs.push_back(std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments)));
  }
}

RpcClient::~RpcClient() { core_->queue.Shutdown(); }

void RpcClient::Start(const std::string& method, const std::string& request, std::chrono::milliseconds deadline,
                      Done done) {
  auto call = std::make_unique<PendingCall>();
  call->done = std::move(done);
  call->context.set_deadline(std::chrono::system_clock::now() + deadline);
  const grpc::Slice slice(request);
  const grpc::ByteBuffer buffer(&slice, 1);
  grpc::GenericStub& stub = *core_->stubs[core_->next_stub++ % core_->stubs.size()];
  call->reader = stub.PrepareUnaryCall(&call->context, method, buffer, &core_->queue);
  call->reader->StartCall();
  PendingCall* tag = call.release();  // owned by the queue until it comes back
  tag->reader->Finish(&tag->response, &tag->status, tag);
  ++core_->under_way;
}

void RpcClient::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (core_->under_way > 0 && core_->queue.Next(&tag, &ok)) {
    const std::unique_ptr<PendingCall> call(static_cast<PendingCall*>(tag));
    --core_->under_way;
    if (call->status.ok()) {
      call->done(Joined(call->response));
    } else {
      call->done(absl::Status(static_cast<absl::StatusCode>(call->status.error_code()), call->status.error_message()));
    }
  }
}

absl::StatusOr<std::string> RpcClient::Call(const std::string& method, const std::string& request,
                                            std::chrono::milliseconds deadline) {
  absl::StatusOr<std::string> result = absl::UnknownError("not called");
  Start(method, request, deadline, [&](absl::StatusOr<std::string> response) { result = std::move(response); });
  Run();
  return result;
}

}  // namespace regent::crash
